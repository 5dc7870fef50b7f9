"""Which stretches of a file are there: in memory, and in a journal that a killed process leaves to the next."""

from __future__ import annotations

import errno
import os
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

_LONGEST_JOURNAL_BYTES = 64 << 20


class Stretches:
    """A set of bytes of one file, as few (offset, end) as possible, in order."""

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._ends: list[int] = []
        self.size_bytes = 0

    def add(self, offset: int, end: int) -> int:
        """Put the stretch in; returns how many bytes of it are new."""
        if end <= offset:
            return 0
        # The stretches that touch the new one become one with it.
        first = bisect_left(self._ends, offset)
        last = bisect_right(self._offsets, end)
        before = sum(self._ends[first:last]) - sum(self._offsets[first:last])
        if first < last:
            offset = min(offset, self._offsets[first])
            end = max(end, self._ends[last - 1])
        self._offsets[first:last] = [offset]
        self._ends[first:last] = [end]
        new_bytes = end - offset - before
        self.size_bytes += new_bytes
        return new_bytes

    def missing(self, size_bytes: int) -> Sequence[tuple[int, int]]:
        """What lies between them in a file of that size."""
        gaps = zip([0, *self._ends], [*self._offsets, size_bytes], strict=True)
        return [(offset, end) for offset, end in gaps if offset < end]


class Journal:
    """
    The stretches of one partial file, each a line, appended when its bytes are in the file.

    The first line names the file that is meant: a journal is never believed for another file of the same name.
    """

    def __init__(self, path: str, file: os.stat_result, size_bytes: int) -> None:
        self.stretches = Stretches()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._read(file, size_bytes)
        except OSError:
            self.close()
            raise

    def add(self, offset: int, end: int) -> int:
        """Remember a stretch whose bytes are in the file; returns how many of them are new."""
        self._append(b"%d %d\n" % (offset, end))
        return self.stretches.add(offset, end)

    def close(self) -> None:
        """Let go of the file; a stretch added later is an error."""
        handle, self._handle = self._handle, -1
        os.close(handle)

    def _read(self, file: os.stat_result, size_bytes: int) -> None:
        """Believe what is written as far as it is whole and of this file; the rest is cut off."""
        head = b"%d %d\n" % (file.st_ino, size_bytes)
        data = os.pread(self._handle, _LONGEST_JOURNAL_BYTES, 0)
        # What stands after the last line feed was cut short by a kill.
        whole_bytes = data.rfind(b"\n") + 1
        if not data.startswith(head):
            whole_bytes = 0
        os.ftruncate(self._handle, whole_bytes)
        if not whole_bytes:
            self._append(head)
        for line in data[len(head) : whole_bytes].splitlines():
            offset, end = map(int, line.split())
            self.stretches.add(offset, min(end, size_bytes))

    def _append(self, line: bytes) -> None:
        if os.write(self._handle, line) < len(line):
            # A line after half a line would be read as another one.
            os.ftruncate(self._handle, 0)
            raise OSError(errno.ENOSPC, "no room for the journal of a partial object")
