"""
Lines on their way to standard error, which nobody waits for.

    record ─▶ line ─▶ queue (bounded) ─▶ thread: write        a full queue takes nothing, and counts what it did not take
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .lines import formatter

LINES_WAITING = 10_000
_AT_ONCE = 200
_LAST_SECONDS = 2.0
"""So long are the last lines waited for at the end."""


class Aside(logging.handlers.QueueHandler):
    """Writes lines to `descriptor` in a thread of its own; whoever logs never waits for a slow or closed reader."""

    def __init__(self, descriptor: int, *, lines_waiting: int = LINES_WAITING) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(lines_waiting)
        super().__init__(self._lines)
        self._descriptor = descriptor
        self.dropped = 0
        """Lines that were not taken, or could not be written."""
        self._told = 0
        self._writing = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._writing.start()

    def prepare(self, record: logging.LogRecord) -> str:
        """The line: in the thread of whoever logs, which knows what is being done."""
        return self.format(record)

    def enqueue(self, line: str) -> None:  # type: ignore[override] # what `prepare` gives
        """Take a line if there is room for it."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def end(self) -> None:
        """Write what waits; who does not read is not waited for any longer than a moment."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=_LAST_SECONDS)
            self._writing.join(_LAST_SECONDS)

    def _write_all(self) -> None:
        goes_on = True
        while goes_on:
            lines = [self._lines.get()]
            with suppress(queue.Empty):
                while lines[-1] is not None and len(lines) < _AT_ONCE:
                    lines.append(self._lines.get_nowait())
            if lines[-1] is None:
                goes_on = False
                lines.pop()
            self._write([line for line in lines if line is not None])

    def _write(self, lines: list[str]) -> None:
        if self.dropped != self._told:
            lost, self._told = self.dropped - self._told, self.dropped
            record = logging.LogRecord(
                "gadus", logging.WARNING, "", 0, f"{lost} lines of the log were left out: nobody read them", None, None
            )
            lines = [self.format(record), *lines]
        rest = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                # Nobody reads any more, and nobody can be told.
                self.dropped += len(lines)
                self._told = self.dropped
                return


@contextmanager
def logging_to(descriptor: int, *, mode: str, level: str) -> Iterator[Aside]:
    """Everything that is logged in this process, from `level` on, is written there while the block lasts."""
    root, ours = logging.getLogger(), logging.getLogger("gadus")
    handler = Aside(descriptor)
    handler.setFormatter(formatter(mode))
    before = ours.level
    root.addHandler(handler)
    # What libraries tell of their work is theirs; what they warn of is for whoever runs the server.
    ours.setLevel(level.upper())
    try:
        yield handler
    finally:
        ours.setLevel(before)
        root.removeHandler(handler)
        handler.end()
