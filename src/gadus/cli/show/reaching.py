"""How a person, or a client of Bacalhau, reaches a server that has just begun."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from gadus.config import Settings

_PREFIXES = ("GADUS_API_", "BACALHAU_API_")


def reaching(url: str, prefix: str) -> dict[str, str]:
    """The variables of a client, by its prefix."""
    parts = urlsplit(url)
    found = {f"{prefix}HOST": parts.hostname or "", f"{prefix}PORT": str(parts.port)}
    return found | ({f"{prefix}TLS": "true"} if parts.scheme == "https" else {})


def export(variables: Mapping[str, str]) -> str:
    """A line for the shell."""
    return " ".join(["export", *(f"{name}={shlex.quote(value)}" for name, value in variables.items())])


def how_to_reach(url: str, settings: Settings) -> Iterator[str]:
    """Lines to read, and to put into another shell."""
    if not settings.compute:
        yield "It keeps jobs and runs none of them: they wait for a server on this data directory that does."
    yield "Clients find it with one of these:"
    for prefix in _PREFIXES:
        # Nobody else vouches for it.
        own = {f"{prefix}CACERT": str(settings.own_certificate)} if settings.self_signed else {}
        yield f"  {export(reaching(url, prefix) | own)}"
