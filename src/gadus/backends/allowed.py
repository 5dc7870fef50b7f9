"""Which engines, sources and publishers a node allows, by their names."""

from __future__ import annotations

from gadus import plugins
from gadus.config import Policy
from gadus.core.errors import InvalidSpec
from gadus.core.problem import nearest

_BACALHAUS = {
    "Engines": {"docker", "wasm", "noop"},
    "InputSources": {"ipfs", "inline", "local", "localdirectory", "s3", "s3managed", "urldownload", "noop"},
    "Publishers": {"ipfs", "local", "s3", "s3managed", "noop"},
}
"""Who disables one of these that is not here has what they want."""


def allowed(group: str, names: frozenset[str] | None, never: frozenset[str]) -> frozenset[str] | None:
    """
    The names of a group of settings that are allowed, in lower case: of `names`, or of all when these are None.

    None when that is every one. Raises InvalidSpec for a name in `never` that nothing has: it would be allowed by mistake.
    """
    if not never:
        return names
    here = _here(group)
    for name in sorted(never - here - _BACALHAUS[group]):
        raise InvalidSpec([f"{group}.Disabled: there is no {name!r}: {nearest(name, sorted(here))}"])
    return (here if names is None else names) - never


def check_names(policy: Policy) -> None:
    """Raise InvalidSpec for names that are disabled and that nothing has."""
    for group, never in zip(_BACALHAUS, (policy.not_engines, policy.not_sources, policy.not_publishers), strict=True):
        allowed(group, None, never)


def _here(group: str) -> frozenset[str]:
    if group == "Publishers":
        return frozenset({"local"})
    names = plugins.names("engines" if group == "Engines" else "storage")
    return frozenset(name.lower() for name in names)
