"""
Lines on their way to standard error, which nobody waits for.

    record ─▶ line ─▶ queue (bounded) ─▶ thread: write        a full queue takes nothing, and counts what it did not take
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from .lines import formatter

LINES_WAITING = 10_000
_AT_ONCE = 500
_GATHER_SECONDS = 0.05
"""Lines of so short a while are written together: to wake the thread for each costs more than all the rest."""
_LAST_SECONDS = 2.0
"""So long are the last lines waited for at the end."""


class Aside(logging.Handler):
    """Writes lines to `descriptor` in a thread of its own; whoever logs never waits for a slow or closed reader."""

    def __init__(self, descriptor: int, *, lines_waiting: int = LINES_WAITING) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._most = lines_waiting
        self._lines: deque[str] = deque()
        self._some = threading.Event()
        self._ending = threading.Event()
        self.dropped = 0
        """Lines that were not taken, or could not be written."""
        self._told = 0
        self._writing = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._writing.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line if there is room for it."""
        # In the thread of whoever logs, which knows what is being done.
        line = self.format(record)
        if len(self._lines) >= self._most:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()

    def end(self) -> None:
        """Write what waits; who does not read is not waited for any longer than a moment."""
        self._ending.set()
        self._some.set()
        self._writing.join(_LAST_SECONDS)

    def _write_all(self) -> None:
        while not self._ending.is_set() or self._lines:
            self._some.wait()
            self._ending.wait(_GATHER_SECONDS)
            self._some.clear()
            while self._lines:
                self._write([self._lines.popleft() for _ in range(min(len(self._lines), _AT_ONCE))])

    def _write(self, lines: list[str]) -> None:
        if self.dropped != self._told:
            lost, self._told = self.dropped - self._told, self.dropped
            what = f"{lost} lines of the log were left out: nobody read them"
            lines = [*lines, self.format(logging.LogRecord("gadus", logging.WARNING, "", 0, what, None, None))]
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
    # Of thread, process and task no line tells: to find them out takes as long as the rest of a record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
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
