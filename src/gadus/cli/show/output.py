"""The output of a job's programs on our own streams; lines of several executions are marked with their index."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from gadus.contracts import Stream

from .failures import say
from .relay import Prefixed, Relay


class Output:
    """Where programs write. `lost` is called, from another thread, when nobody can read it any more: see `failure`."""

    def __init__(self, lost: Callable[[], None], *, many: bool) -> None:
        self._relay = Relay(lost)
        self._many = many
        self._prefixed: dict[tuple[int, Stream], Prefixed] = {}

    @property
    def failure(self) -> OSError | None:
        """Why standard output cannot be written."""
        return self._relay.failure

    def put(self, index: int, stream: Stream, data: bytes) -> None:
        """Pass on what the execution of this index wrote. Waits while the reader is far behind."""
        if not self._many:
            self._relay.put(stream, data)
            return
        key = (index, stream)
        if key not in self._prefixed:
            self._prefixed[key] = Prefixed(index, lambda line: self._relay.put(stream, line))
        self._prefixed[key].feed(data)

    async def drain(self) -> None:
        """All that the programs wrote has been passed on."""
        for prefixed in self._prefixed.values():
            prefixed.end()
        await asyncio.to_thread(self._relay.drain)

    def let_go(self) -> None:
        """Nothing waits for a slow reader any more."""
        self._relay.abandon()

    def end_line(self) -> None:
        """The terminal is at the beginning of a line."""
        if self._relay.last_byte != b"\n" and sys.stdout.isatty() and sys.stderr.isatty():
            say("")
