"""Reads a file that a `Ring` writes, or has written: what there is of it, in order, and a line for what is not."""

from __future__ import annotations

import os
from contextlib import suppress
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from .ring import LONGEST_LINE_BYTES, left_out_line, read_left_out, tail_directory

_BLOCK_BYTES = 1 << 16


class RingReader:
    """A reader at the beginning of the file at `path`. It may be moved meanwhile, once it is whole. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head = path.open("rb", buffering=0)
        self._at = 0
        self._head_end = 0
        # The offset, in all that was written, of what is read next; None while the file itself has it.
        self._in_tail: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is read any more."""
        self._head.close()

    def again(self) -> RingReader:
        """Another reader, where this one is now, of the same file: open only once, until this one closes it."""
        return copy(self)

    def mark(self) -> tuple[int, ...]:
        """Another one whenever there is more to read."""
        size = os.fstat(self._head.fileno()).st_size
        stretches = self._stretches()
        with suppress(IndexError, FileNotFoundError):
            return size, stretches[-1], (tail_directory(self._path) / str(stretches[-1])).stat().st_size
        return (size,)

    def read(self, most_bytes: int = _BLOCK_BYTES) -> bytes:
        """The next bytes; none when there are none yet, or none any more."""
        if self._in_tail is None:
            if data := self._of_head(most_bytes):
                return data
            if not self._stretches():
                return b""
            # Since the first look the head was filled, or the whole file was.
            if data := self._of_head(most_bytes):
                return data
            self._in_tail = self._head_end = self._at
        while stretches := self._stretches():
            with suppress(FileNotFoundError):
                return self._of_tail(self._in_tail, stretches, most_bytes)
        return self._of_whole(self._in_tail, most_bytes)

    def skip_to_last_lines(self, lines: int) -> None:
        """Go to the beginning of the last `lines` lines there are now; a line end at the very end begins no further line."""
        self._at = self._head.seek(0, os.SEEK_END)
        left = lines
        for start in reversed(self._stretches()):
            try:
                with (tail_directory(self._path) / str(start)).open("rb") as stretch:
                    at, left = _last_lines(stretch, left, at_the_end=left == lines)
            except FileNotFoundError:
                break
            self._in_tail, self._head_end = start + at, self._at
            if not left:
                return
        if self._in_tail in (None, self._head_end):
            self._at = _last_lines(self._head, left, at_the_end=left == lines)[0]
            self._in_tail = None

    def _stretches(self) -> list[int]:
        try:
            return sorted(int(path.name) for path in tail_directory(self._path).iterdir())
        except FileNotFoundError:
            return []

    def _of_head(self, most_bytes: int) -> bytes:
        data = os.pread(self._head.fileno(), most_bytes, self._at)
        self._at += len(data)
        return data

    def _of_tail(self, offset: int, stretches: list[int], most_bytes: int) -> bytes:
        start = max((one for one in stretches if one <= offset), default=None)
        if start is None:
            self._in_tail = stretches[0]
            return left_out_line(stretches[0] - offset)
        with (tail_directory(self._path) / str(start)).open("rb", buffering=0) as stretch:
            stretch.seek(offset - start)
            data = stretch.read(most_bytes)
        self._in_tail = offset + len(data)
        return data

    def _of_whole(self, offset: int, most_bytes: int) -> bytes:
        """Go on in the whole file, where what was read last stands in it, or after the line if it does not."""
        text = os.pread(self._head.fileno(), LONGEST_LINE_BYTES, self._head_end)
        if not text:
            return b""
        left_out, line_bytes = read_left_out(text)
        missed = self._head_end + left_out - offset
        self._at = self._head_end + line_bytes + max(-missed, 0)
        self._in_tail = None
        return left_out_line(missed) if missed > 0 else self._of_head(most_bytes)


def _last_lines(file: BinaryIO, lines: int, *, at_the_end: bool) -> tuple[int, int]:
    """Where the last `lines` lines of `file` begin, and how many of them begin before it."""
    end = position = file.seek(0, os.SEEK_END)
    left = lines
    while left and position > 0:
        start = max(position - _BLOCK_BYTES, 0)
        file.seek(start)
        block = file.read(position - start)
        look_before = len(block) - 1 if at_the_end and position == end and block.endswith(b"\n") else len(block)
        while left and (found := block.rfind(b"\n", 0, look_before)) >= 0:
            left -= 1
            if not left:
                return start + found + 1, 0
            look_before = found
        position = start
    return (0, left) if left else (end, 0)
