"""A program's stdout and stderr: kept in files up to a cap, and passed on as they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from gadus.contracts import Stream

LOG_LIMIT_BYTES = 1 << 30
"""More than this of one stream is passed on to who watches but not kept, as in Bacalhau."""


class Logs:
    """An `Output` that writes ``<directory>/stdout`` and ``<directory>/stderr``."""

    def __init__(
        self, directory: Path, forward: Callable[[Stream, bytes], None], *, limit_bytes: int = LOG_LIMIT_BYTES
    ) -> None:
        self._forward = forward
        self._files = {stream: (directory / stream.value).open("wb") for stream in Stream}
        self._left = dict.fromkeys(Stream, limit_bytes)
        self._cut: set[Stream] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()

    @property
    def cut(self) -> list[str]:
        """The names of the streams that were not kept whole."""
        return sorted(stream.value for stream in self._cut)

    def write(self, stream: Stream, data: bytes) -> None:
        kept = data[: self._left[stream]]
        if len(kept) < len(data):
            self._cut.add(stream)
        try:
            if kept:
                self._files[stream].write(kept)
                # At once: another process may be following the file.
                self._files[stream].flush()
        except OSError:
            # The disk is full: the program is not at fault, and whoever watches still sees its output.
            self._cut.add(stream)
            self._left[stream] = 0
        self._left[stream] -= min(len(kept), self._left[stream])
        self._forward(stream, data)
