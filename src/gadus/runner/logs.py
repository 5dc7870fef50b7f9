"""A program's stdout and stderr: head and tail of each kept in a file, and all passed on as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from gadus.contracts import Stream

from .ring import Ring

LOG_LIMIT_BYTES = 64 * 2**20
"""Of a longer stream the first 8 and the last 56 MiB are kept; who watches sees it all."""
MOST_NOTES = 20


class Logs:
    """An `Output` that writes ``<directory>/stdout`` and ``<directory>/stderr``."""

    def __init__(
        self, directory: Path, forward: Callable[[Stream, bytes], None], *, limit_bytes: int = LOG_LIMIT_BYTES
    ) -> None:
        self._forward = forward
        self._rings = {stream: Ring(directory / stream.value, limit_bytes) for stream in Stream}
        self._notes: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def cut(self) -> Mapping[str, int]:
        """How many bytes are left out of each stream that was not kept whole, by its name; to be asked when closed."""
        return {stream.value: ring.left_out_bytes for stream, ring in self._rings.items() if ring.left_out_bytes}

    @property
    def notes(self) -> list[str]:
        """What the engine had to say, each once."""
        return list(self._notes)

    def write(self, stream: Stream, data: bytes) -> None:
        self._rings[stream].write(data)
        self._forward(stream, data)

    def note(self, text: str) -> None:
        if text not in self._notes and len(self._notes) < MOST_NOTES:
            self._notes.append(text)

    def close(self) -> None:
        """Both files are whole from here on."""
        for ring in self._rings.values():
            ring.close()
