"""
The threads that move bytes: one set for all inputs of all executions of this process, so that they share one budget.

Each lane has one request in flight and one buffer. Threads, because a blocking read into a buffer takes half the processor
time of any event loop, and while a lane waits in the kernel the others run.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from .pace import Pace

BUFFER_BYTES = 1 << 20
IDLE_SECONDS = 5.0
"""A lane that has had no work for so long ends."""


class Unit(Protocol):
    """One request's worth of work."""

    def run(self, buffer: memoryview) -> None:
        """Do it; `buffer` is this thread's alone until this returns. Never raises."""


class Queue:
    """The units of one transfer that no lane has taken yet."""

    def __init__(self) -> None:
        self.units: deque[Unit] = deque()


class Lanes:
    """Runs units, at most as many at once as the pace allows, taking turns among the transfers."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self.pace = Pace()
        self._idle_seconds = idle_seconds
        self._change = threading.Condition()
        self._queues: deque[Queue] = deque()
        self._lanes = 0
        self._idle = 0
        self._working = 0

    def open(self) -> Queue:
        """A queue for one transfer; to be closed."""
        queue = Queue()
        with self._change:
            self._queues.append(queue)
        return queue

    def close(self, queue: Queue) -> None:
        """Take no more units of `queue`; those that run go on."""
        with self._change:
            queue.units.clear()
            self._queues.remove(queue)
            if not self._queues:
                self.pace.idle()

    def put(self, queue: Queue, units: Iterable[Unit]) -> None:
        """Have `units` run, in this order."""
        with self._change:
            queue.units.extend(units)
            self._widen()

    def put_first(self, queue: Queue, units: Sequence[Unit]) -> None:
        """Have `units` run, in this order, before what waits in their queue."""
        if units:
            with self._change:
                queue.units.extendleft(reversed(units))
                self._widen()

    def widen(self) -> None:
        """Have as many lanes as the pace allows, if there is work for them."""
        with self._change:
            self._widen()

    def _widen(self) -> None:
        waiting = sum(len(queue.units) for queue in self._queues)
        wanted = min(waiting, self.pace.limit - self._working)
        if wanted <= 0:
            return
        self._change.notify(wanted)
        for _ in range(min(wanted - self._idle, self.pace.limit - self._lanes)):
            self._lanes += 1
            self._working += 1
            threading.Thread(target=self._work, name="lane", daemon=True).start()

    def _work(self) -> None:
        buffer = memoryview(bytearray(BUFFER_BYTES))
        try:
            while (unit := self._next()) is not None:
                unit.run(buffer)
        except BaseException:
            # Nobody expects it, but others must not be slower for it.
            with self._change:
                self._lanes -= 1
                self._working -= 1
            raise

    def _next(self) -> Unit | None:
        """The next unit for a lane that is done with its last one; None when it is to end."""
        with self._change:
            self._working -= 1
            rested = False
            while True:
                unit = self._first()
                if unit is not None:
                    self._working += 1
                    return unit
                # Only now: a unit may have been put while the wait was ending.
                if rested:
                    self._lanes -= 1
                    return None
                self._idle += 1
                rested = not self._change.wait(self._idle_seconds)
                self._idle -= 1

    def _first(self) -> Unit | None:
        """The first unit of the queue whose turn it is; None also when as many run as the pace allows."""
        if self._working < self.pace.limit:
            for _ in range(len(self._queues)):
                queue = self._queues[0]
                self._queues.rotate(-1)
                if queue.units:
                    return queue.units.popleft()
        return None
