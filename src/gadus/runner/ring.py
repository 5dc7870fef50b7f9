"""
A file of which only the head and the tail are kept, however much is written to it.

    <directory>/<name>                  the head; at the end also a line that says how much is left out, and the tail
    <directory>/.<name>-tail/<offset>   while it grows: stretches of the tail, each named by the offset of its first byte

Never is more on the disk than the limit and two stretches. `ring_reader` reads such a file also while it grows.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import deque
from contextlib import suppress
from io import FileIO
from pathlib import Path

HEAD_SHARE = 8
"""One part in so many is the head: how a program ended says more than how it began."""
STRETCHES = 8
LONGEST_LINE_BYTES = 64

_BLOCK_BYTES = 1 << 20
_LEFT_OUT = re.compile("\n?… ([0-9]{1,20}) bytes left out …\n".encode())


def left_out_line(size_bytes: int) -> bytes:
    """What stands in the place of `size_bytes` bytes."""
    return f"… {size_bytes} bytes left out …\n".encode()


def read_left_out(text: bytes) -> tuple[int, int]:
    """How many bytes the line at the beginning of `text` stands for, and its own length; zeros when there is no such line."""
    found = _LEFT_OUT.match(text)
    return (int(found[1]), found.end()) if found else (0, 0)


def tail_directory(file: Path) -> Path:
    """Where the stretches of the growing `file` are."""
    return file.with_name(f".{file.name}-tail")


class Ring:
    """The writer of one such file. `left_out_bytes` is right when it is closed."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._directory = tail_directory(path)
        self._folding = path.with_name(f".{path.name}-folding")
        self._head_left = limit_bytes // HEAD_SHARE
        self._tail_bytes = limit_bytes - self._head_left
        self._stretch_bytes = max(1, self._tail_bytes // STRETCHES)
        # Unbuffered, all of them: another process may be following.
        self._head = FileIO(path, "w+")
        self._head_end = 0
        self._tail: FileIO | None = None
        self._stretches: deque[int] = deque()
        self._end = 0
        self.left_out_bytes = 0

    def write(self, data: bytes) -> None:
        """Add `data`. What a full disk does not take is left out."""
        rest = memoryview(data)
        try:
            while rest and self._head_left:
                rest = rest[self._keep_in_head(rest) :]
            if len(rest) > self._tail_bytes:
                # It would be gone again before anybody could look.
                self._drop_tail()
                self._end += len(rest) - self._tail_bytes
                rest = rest[len(rest) - self._tail_bytes :]
            while rest:
                rest = rest[self._keep_in_tail(rest) :]
        except OSError:
            # What comes next may find room where the tail was.
            self._head_left = 0
            self._drop_tail()
            self._end += len(rest)

    def close(self) -> None:
        """From here on the file is whole, and nothing is beside it. Closing again does nothing."""
        if self._head.closed:
            return
        with self._head:
            try:
                self._fold()
            except OSError:
                self._give_up_tail()
        shutil.rmtree(self._folding, ignore_errors=True)

    def _keep_in_head(self, data: memoryview) -> int:
        size = self._head.write(data[: self._head_left])
        self._head_left -= size
        self._head_end += size
        self._end += size
        return size

    def _keep_in_tail(self, data: memoryview) -> int:
        if self._tail is None or self._end - self._stretches[-1] >= self._stretch_bytes:
            self._tail = self._next_stretch()
        size = self._tail.write(data[: self._stretch_bytes - (self._end - self._stretches[-1])])
        self._end += size
        return size

    def _next_stretch(self) -> FileIO:
        if self._tail:
            self._tail.close()
        while len(self._stretches) > 1 and self._end - self._stretches[1] >= self._tail_bytes:
            (self._directory / str(self._stretches.popleft())).unlink()
        self._directory.mkdir(exist_ok=True)
        self._stretches.append(self._end)
        return FileIO(self._directory / str(self._end), "w")

    def _drop_tail(self) -> None:
        if self._tail:
            self._tail.close()
        self._tail = None
        self._stretches.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _fold(self) -> None:
        """Put the tail behind the head, and a line between them if they do not meet."""
        if self._tail:
            self._tail.close()
            # A reader that does not find the stretches any more knows that they are now, or soon, behind the head.
            self._directory.rename(self._folding)
        start = max(self._stretches[0], self._end - self._tail_bytes) if self._stretches else self._end
        self.left_out_bytes = start - self._head_end
        self._write_line()
        for begin in self._stretches:
            path = self._folding / str(begin)
            with path.open("rb", buffering=0) as stretch:
                stretch.seek(max(start - begin, 0))
                while block := stretch.read(_BLOCK_BYTES):
                    self._append(block)
            path.unlink()

    def _give_up_tail(self) -> None:
        self.left_out_bytes = self._end - self._head_end
        with suppress(OSError):
            self._drop_tail()
            os.ftruncate(self._head.fileno(), self._head_end)
            self._head.seek(self._head_end)
            self._write_line()

    def _write_line(self) -> None:
        if self.left_out_bytes:
            before = os.pread(self._head.fileno(), 1, self._head_end - 1) if self._head_end else b"\n"
            self._append((b"" if before == b"\n" else b"\n") + left_out_line(self.left_out_bytes))

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._head.write(rest) :]
