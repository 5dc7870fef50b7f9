"""Where the keys of a listing lie, learned from some of them, so that what is left can be halved by a key between two."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

_POSITIONS = 96
_DIGITS = frozenset(b"0123456789")
_LOWER = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_UPPER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LETTERS = _LOWER | _UPPER
_BEYOND_ASCII = frozenset(range(0x80, 0xF5))


class Keyspace:
    """
    Keys as numbers whose digits are the bytes that were seen at each position; keys are UTF-8 bytes.

    A position where all keys agree counts nothing, so that neither ``part-`` nor ``.parquet`` spoils a middle. Of what
    counts upward only the beginning was seen: such a position has twice the digits that were seen there.
    """

    def __init__(self, prefix: bytes) -> None:
        self._start = len(prefix)
        self._seen: list[set[int]] = []
        self._digits: list[tuple[int, Sequence[int]]] | None = None

    def learn(self, keys: Iterable[bytes]) -> None:
        """Take in some more keys; a handful of each page is enough."""
        for key in keys:
            text = key[self._start : self._start + _POSITIONS]
            self._seen.extend(set() for _ in range(len(text) - len(self._seen)))
            for byte, seen in zip(text, self._seen, strict=False):
                if byte not in seen:
                    seen.add(byte)
                    self._digits = None

    def number(self, key: bytes | None) -> int:
        """The place of `key`; in the order of keys as far as they look like those seen. None is the end of all keys."""
        number = 0
        for position, digits in self._varying():
            byte = key[position] if key is not None and position < len(key) else 0
            digit = len(digits) - 1 if key is None else min(bisect_left(digits, byte), len(digits) - 1)
            number = number * len(digits) + digit
        return number + (key is None)

    def between(self, low: bytes, high: bytes | None) -> str | None:
        """A text above the key `low` and below `high`, about half-way and short, or None when none is known."""
        text = bytearray(low)
        left = (self.number(low) + self.number(high)) // 2
        for position, digits in reversed(self._varying()):
            left, digit = divmod(left, len(digits))
            if position < len(text):
                text[position] = digits[digit]
        for size in range(self._start + 1, len(text) + 1):
            middle = bytes(text[:size])
            if middle <= low:
                continue
            if high is not None and middle >= high:
                return None
            try:
                return middle.decode()
            except UnicodeDecodeError:
                continue  # a letter cut in two: one byte more
        return None

    def _varying(self) -> list[tuple[int, Sequence[int]]]:
        if self._digits is None:
            mixed = {byte for seen in self._seen if seen & _DIGITS and seen & _LETTERS for byte in seen & (_DIGITS | _LETTERS)}
            levels = [_digits_of(seen, mixed) for seen in self._seen]
            self._digits = [(self._start + at, level) for at, level in enumerate(levels) if len(level) > 1]
        return self._digits


def _digits_of(seen: set[int], mixed: set[int]) -> Sequence[int]:
    """The bytes to expect where `seen` was seen; `mixed` holds digits and the letters that stand among digits (hexadecimal)."""
    highest = max(seen)
    expected = next((kind for kind in (_DIGITS | mixed, _LOWER, _UPPER, _BEYOND_ASCII) if highest in kind), frozenset())
    if len(seen) == 1 and highest not in _DIGITS:
        return sorted(seen)
    below = {byte for byte in expected if byte < highest} if seen & _DIGITS and len(seen) > 1 else set()
    above = sorted(byte for byte in expected if byte > highest)[: len(seen)]
    return sorted({*seen, *below, *above})
