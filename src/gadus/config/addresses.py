"""Addresses of servers, as people write them."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from gadus.core.problem import clipped

DEFAULT_PORT = 1234
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_NO_PASSWORD = "the address must not hold a password: give a token, or use a profile"  # noqa: S105 - a sentence
_OF_KUBERNETES = ("tcp://", "udp://", "sctp://")


def web_endpoint(text: str) -> str:
    """The address of a server: ``https://host[:port][/path]``. Raises ValueError with the reason."""
    wrong = f"{clipped(text)!r} is not an address: write http://host:{DEFAULT_PORT} or https://host"
    parts = _split(text, wrong)
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ValueError(wrong)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def of_host(host: str, port: int, *, tls: bool) -> str:
    """The same of a host by name or number, which may bring its port along; `port` 0 is the usual one. Raises ValueError."""
    wrong = f"{clipped(host)!r} is neither the name of a host nor an address"
    if "@" in host:
        raise ValueError(_NO_PASSWORD)
    bare = host if not host.count(":") > 1 or host.startswith("[") else f"[{host}]"
    parts = _split(f"//{bare}", wrong)
    if parts.path or any(mark in bare for mark in "?#"):
        raise ValueError(wrong)
    name = _ANY_ADDRESS.get(parts.hostname or "", parts.hostname or "")
    shown = f"[{name}]" if ":" in name else name
    return f"{'https' if tls else 'http'}://{shown}:{parts.port or port or DEFAULT_PORT}"


def port_of(text: str) -> int:
    """The port of a server that is asked. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise ValueError(f"{clipped(text)!r} is not a port: a whole number from 1 to 65535")
    return int(text)


def of_kubernetes(text: str) -> bool:
    """Whether Kubernetes says this of a service of our name, in a variable that is one of ours otherwise."""
    return text.startswith(_OF_KUBERNETES)


def _split(text: str, wrong: str) -> SplitResult:
    """The parts, of which host and port can be asked for. Raises ValueError that says what is `wrong`."""
    try:
        parts = urlsplit(text)
        # An own error of each: of the port by itself, of the name as resolvers are asked for it.
        found = parts.port is None or parts.port > 0
        found &= bool(parts.hostname) and bool(str(parts.hostname).rstrip(".").encode("idna"))
    except ValueError:
        raise ValueError(wrong) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(_NO_PASSWORD)
    if not found or any(letter.isspace() for letter in text):
        raise ValueError(wrong)
    return parts
