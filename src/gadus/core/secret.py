"""Text that must not be seen: whoever prints, logs, formats or dumps it by accident shows asterisks."""

from __future__ import annotations

import hmac
from typing import NoReturn, Self

MASK = "********"


class Secret:
    """A secret text. Only `reveal` gives it; it is compared in a time that does not depend on where it differs."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that sends or checks it."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __format__(self, _form: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _known: object) -> Self:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: what is pickled gets written somewhere")


NOTHING = Secret("")
"""Where there is none."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
