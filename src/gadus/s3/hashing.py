"""A digest of a file while its parts arrive in any order: no second pass at the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

_READ_BYTES = 1 << 20


class Hashing:
    """Follows, in a thread of its own, the part of a file that is there without a gap from its beginning."""

    def __init__(
        self, handle: int, size_bytes: int, update: Callable[[bytes], object], missing: Sequence[tuple[int, int]]
    ) -> None:
        self._handle = handle
        self._size_bytes = size_bytes
        self._update = update
        self._ends: dict[int, int] = {}
        """Where each written stretch ends, by where it begins."""
        self._solid_bytes = 0
        self._given_up = False
        self._failure: OSError | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._follow, name="hashing", daemon=True)
        self._thread.start()
        here = 0
        for offset, end in [*missing, (size_bytes, size_bytes)]:
            if offset > here:
                self.wrote(here, offset)
            here = end

    def wrote(self, offset: int, end: int) -> None:
        """That stretch of the file is there."""
        with self._change:
            self._ends[offset] = end
            while (further := self._ends.pop(self._solid_bytes, None)) is not None:
                self._solid_bytes = further
            self._change.notify()

    def finish(self) -> bool:
        """
        Whether all of the file was seen by `update`, once it was; False when it was given up instead.

        Everything must be there. Raises OSError of reading it.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return not self._given_up

    def give_up(self) -> None:
        """Return when nothing reads the file any more."""
        with self._change:
            self._given_up = True
            self._change.notify()
        self._thread.join()

    def _follow(self) -> None:
        hashed_bytes = 0
        while hashed_bytes < self._size_bytes:
            with self._change:
                while self._solid_bytes == hashed_bytes and not self._given_up:
                    self._change.wait()
                if self._given_up:
                    return
                solid_bytes = self._solid_bytes
            try:
                while hashed_bytes < solid_bytes and not self._given_up:
                    # Read back from the page cache: the parts are not kept in memory until their turn comes.
                    data = os.pread(self._handle, min(_READ_BYTES, solid_bytes - hashed_bytes), hashed_bytes)
                    _check_not_cut(data, solid_bytes)
                    self._update(data)
                    hashed_bytes += len(data)
            except OSError as exc:
                self._failure = exc
                return


def _check_not_cut(data: bytes, size_bytes: int) -> None:
    if not data:
        raise OSError(f"the file became shorter than {size_bytes} bytes while it was read")
