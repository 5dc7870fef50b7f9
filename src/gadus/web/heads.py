"""The headers of a request, read once for all who ask for one of them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope

_HEADS = "gadus.heads"


def heads_of(scope: Scope) -> Mapping[str, str]:
    """By their names in lower case; of several with one name the first."""
    known: Mapping[str, str] | None = scope.get(_HEADS)
    if known is None:
        pairs = reversed(scope["headers"])
        known = scope[_HEADS] = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    return known
