"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ALL = "*"
"""Every scope, or every namespace."""
VERBS = ("read", "write")
THINGS = ("job", "node", "agent")
SCOPES = (*(f"{verb}:{thing}" for thing in THINGS for verb in VERBS), *(f"{verb}:{ALL}" for verb in VERBS), ALL)


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Somebody who asks.

    `name` is for people and for counting. `scopes` are of `SCOPES`. `namespaces` are exact names, or `ALL`.
    """

    name: str
    scopes: frozenset[str]
    namespaces: frozenset[str]

    def may(self, scope: str, namespace: str | None = None) -> bool:
        """Whether this is allowed, in that namespace when one is given."""
        verb = scope.partition(":")[0]
        allowed = not self.scopes.isdisjoint((scope, f"{verb}:{ALL}", ALL))
        return allowed and (namespace is None or self.reaches(namespace))

    def reaches(self, namespace: str) -> bool:
        """Whether anything in this namespace exists for the caller."""
        return ALL in self.namespaces or namespace in self.namespaces

    def among(self, namespace: str) -> frozenset[str] | None:
        """
        The namespaces that a question about `namespace` is about, for this caller; None for every namespace.

        None in particular, "" or ``*``, means all that the caller reaches.
        """
        if namespace in ("", ALL):
            return None if ALL in self.namespaces else self.namespaces
        return frozenset((namespace,)) if self.reaches(namespace) else frozenset()


def caller(name: str, scopes: Iterable[str], namespaces: Iterable[str]) -> Caller:
    """A caller from lists, as they are kept."""
    return Caller(name, frozenset(scopes), frozenset(namespaces))


ANYONE = caller("anyone", (ALL,), (ALL,))
"""Who asks a server without access control."""
NOBODY = caller("nobody", (), ())
"""Who asks where nobody needs to say who they are."""
