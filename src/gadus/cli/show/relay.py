"""A program's output passed on to our own standard output and error: byte for byte, in order, as it comes."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

from gadus.contracts import Stream
from gadus.core.errors import DiskFull

WAITING_LIMIT_BYTES = 16 << 20
"""With more than this unread, the program is made to wait for the reader, as in any pipe."""
_WRITE_BYTES = 1 << 16
_DESCRIPTORS = {Stream.STDOUT: 1, Stream.STDERR: 2}


class Relay:
    """
    Writes from a thread of its own, so that a slow reader blocks neither staging nor Ctrl-C.

    `lost` is called, from that thread, when standard output cannot be written any more; `failure` then says why.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._waiting: deque[tuple[Stream, bytes]] = deque()
        self._waiting_bytes = 0
        self._writing = False
        self._abandoned = False
        self._dead: set[Stream] = set()
        # Re-entrant: abandon() may come from a signal handler in the middle of put().
        self._change = threading.Condition(threading.RLock())
        self.failure: OSError | None = None
        self.last_byte = b"\n"
        # A daemon thread and plain descriptors: a reader that never reads must not keep this process from ending.
        threading.Thread(target=self._write_all, name="relay", daemon=True).start()

    def put(self, stream: Stream, data: bytes) -> None:
        """Pass on `data`. Waits while the reader is far behind."""
        with self._change:
            while self._waiting_bytes > WAITING_LIMIT_BYTES and not self._abandoned:
                self._change.wait()
            if self._abandoned or not data:
                return
            self._waiting.append((stream, data))
            self._waiting_bytes += len(data)
            self._change.notify_all()

    def drain(self) -> None:
        """Wait until everything is written, or given up."""
        with self._change:
            while (self._waiting or self._writing) and not self._abandoned:
                self._change.wait()

    def abandon(self) -> None:
        """Drop what is not written yet; nothing waits for the reader any more."""
        with self._change:
            self._abandoned = True
            self._waiting.clear()
            self._waiting_bytes = 0
            self._change.notify_all()

    def _write_all(self) -> None:
        while True:
            with self._change:
                self._writing = False
                self._change.notify_all()
                while not self._waiting:
                    self._change.wait()
                stream, data = self._waiting.popleft()
                self._waiting_bytes -= len(data)
                self._writing = True
            if stream not in self._dead:
                self._write(stream, data)

    def _write(self, stream: Stream, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest and not self._abandoned:
                rest = rest[_write_some(_DESCRIPTORS[stream], rest[:_WRITE_BYTES]) :]
            self.last_byte = data[-1:]
        except OSError as error:
            self._dead.add(stream)
            # Without a standard error there is nobody to tell, and the program's answer may still be wanted.
            if stream is Stream.STDOUT:
                self.failure = error
                self.abandon()
                self._lost()


def _write_some(descriptor: int, data: memoryview) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        # Somebody else's process set our terminal or pipe to non-blocking.
        select.select([], [descriptor], [])
        return 0


def unwritable(failure: OSError, fate: str = "it was stopped") -> Exception:
    """What to end with when standard output cannot be written; `fate` says what has become of the job."""
    if isinstance(failure, BrokenPipeError):
        return failure
    return DiskFull(f"standard output cannot be written: {failure}", hint=f"send the output of the job elsewhere; {fate}")


class Prefixed:
    """One stream of one execution, each line marked with the execution's index; the marks of several never mix in a line."""

    LONGEST_LINE_BYTES = 1 << 16

    def __init__(self, index: int, write: Callable[[bytes], None]) -> None:
        self._mark = b"[%d] " % index
        self._write = write
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Pass on the whole lines of what came so far."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self.LONGEST_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._write(b"".join(self._mark + line + b"\n" for line in lines))

    def end(self) -> None:
        """Pass on a last line that had no end."""
        if self._rest:
            self._write(self._mark + self._rest + b"\n")
            self._rest = b""
