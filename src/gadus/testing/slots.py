"""A slot in a file of its own, for tests of sources: it holds the source to what `contracts.Slot` says."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from gadus.core.manifest import Item


class FileSlot:
    """
    A `contracts.Slot` whose file is `partial` until it is whole, and `path` from then on.

    `here` are stretches that an earlier run left, by offset; `is_elsewhere` when somebody else is bringing the object. What a
    source must not do is an AssertionError where it does it.
    `written` has every stretch that came, in order; `digest` and `compared` are what was said of the whole.
    """

    def __init__(self, item: Item, path: Path, partial: Path, here: Mapping[int, bytes] | None = None) -> None:
        self.item = item
        self.is_whole = False
        self.is_spoilt = False
        self.is_elsewhere = False
        self.is_claimed = False
        self.digest = ""
        self.compared = False
        self.written: list[tuple[int, int]] = []
        self._path = path
        self._partial = partial
        self._lock = threading.Lock()
        self._handle = -1
        self._given = dict(here or {})
        self._here = sorted((offset, offset + len(data)) for offset, data in self._given.items() if data)

    def claim(self) -> bool:
        assert not self.is_claimed, f"the slot of {self.item.key!r} was claimed twice"
        self.is_claimed = True
        if self.is_elsewhere:
            return False
        self._handle = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        for offset, data in self._given.items():
            os.pwrite(self._handle, data, offset)
        return True

    @property
    def handle(self) -> int:
        assert self._handle >= 0, f"the slot of {self.item.key!r} was used before its claim or after its end"
        return self._handle

    @property
    def missing(self) -> Sequence[tuple[int, int]]:
        assert self._handle >= 0, f"what is missing of {self.item.key!r} is known between its claim and its end"
        with self._lock:
            return gaps(self._here + self.written, self.item.size_bytes)

    def wrote(self, offset: int, end: int) -> None:
        assert os.fstat(self.handle).st_size >= end, f"{self.item.key!r} has no bytes up to {end}"
        with self._lock:
            self.written.append((offset, end))

    def whole(self, digest: str = "", *, compared: bool = False) -> None:
        size_bytes = os.fstat(self.handle).st_size
        assert self.item.size_bytes in (-1, size_bytes), f"{self.item.key!r} is whole with {size_bytes} bytes"
        assert gaps(self._here + self.written, size_bytes) == [], f"{self.item.key!r} is not whole"
        self.is_whole, self.digest, self.compared = True, digest, compared
        os.fchmod(self.handle, 0o444)
        self._end()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._partial.rename(self._path)

    def spoil(self) -> None:
        self.is_spoilt = True
        self._partial.unlink()
        self._end()

    def close(self) -> None:
        """Let go of it, and of the file unless it is whole. May be called again."""
        if self._handle >= 0:
            self._partial.unlink()
            self._end()

    def _end(self) -> None:
        with self._lock:
            handle, self._handle = self._handle, -1
        assert handle >= 0, f"the slot of {self.item.key!r} was ended twice"
        os.close(handle)


def gaps(stretches: Sequence[tuple[int, int]], size_bytes: int) -> list[tuple[int, int]]:
    """What `stretches` leave out of an object of that size; all of it, with the end -1, when the size is not known."""
    if size_bytes < 0:
        return [(0, -1)]
    found = []
    solid = 0
    for offset, end in [*sorted(stretches), (size_bytes, size_bytes)]:
        if offset > solid:
            found.append((solid, offset))
        solid = max(solid, end)
    return found
