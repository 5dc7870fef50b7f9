"""What stands behind the question mark of a request."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import HTTPConnection

from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped

_YES = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_NO = frozenset(("", "0", "f", "F", "false", "FALSE", "False"))


class Query:
    """The parameters of a request; their names count in any case, and one without a value as one that is not there."""

    def __init__(self, request: HTTPConnection) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            self._values.setdefault(name.lower(), []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def all(self, name: str) -> Sequence[str]:
        """Every value that is not blank."""
        return [value for value in self._values.get(name, ()) if value.strip()]

    def text(self, *names: str) -> str:
        """The value under the first of these names that is given; empty when none is."""
        return next((values[0] for name in names if (values := self.all(name))), "")

    def number(self, name: str) -> int:
        """A whole number from 0; 0 when it is not given. Raises InvalidSpec."""
        text = self.text(name)
        if text and not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise InvalidSpec([f"{name}: {clipped(repr(text))} is not a whole number from 0"])
        return int(text or 0)

    def switch(self, name: str) -> bool:
        """Raises InvalidSpec."""
        text = self.text(name)
        if text not in _YES | _NO:
            raise InvalidSpec([f"{name}: {clipped(repr(text))} is neither true nor false"])
        return text in _YES

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """One of the words `known`, the first when none is given. Raises InvalidSpec."""
        text = self.text(name)
        if text and text not in known:
            raise InvalidSpec([f"{name}: {clipped(repr(text))} is not known; use {', '.join(known)}"])
        return text or known[0]
