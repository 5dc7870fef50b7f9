"""
The threads that move bytes: one set for all inputs of all executions of this process, so that they share one budget.

Each lane has one buffer, and one request in flight for a large piece. Small ones it takes by the volley: it sends all their
requests, each on a connection of its own, then reads the answers one after the other. So a few threads keep many requests in
flight, and do not wait for each other at every turn.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Protocol

from .pace import Pace

BUFFER_BYTES = 1 << 20
IDLE_SECONDS = 5.0
"""A lane that has had no work for so long ends."""
VOLLEY = 16
"""So many small units are taken at once."""


class Unit(Protocol):
    """One request's worth of work."""

    @property
    def small(self) -> bool:
        """Whether it may be one of a volley."""

    def launch(self) -> None:
        """Send the request, of a small one; `run` follows. Never raises."""

    def run(self, buffer: memoryview) -> None:
        """Do it; `buffer` is this thread's alone until this returns. Never raises."""


class Queue:
    """The units of one transfer that no lane has taken yet."""

    def __init__(self) -> None:
        self.units: deque[Unit] = deque()

    @property
    def first_is_small(self) -> bool:
        """Whether there is a first unit, and it is small."""
        return bool(self.units) and self.units[0].small


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
        room = self.pace.limit - self._working
        wanted = 0
        for queue in self._queues:
            units = min(len(queue.units), max(room, 0))
            wanted += -(-units // VOLLEY) if queue.first_is_small else units
            room -= units
        if not wanted:
            return
        self._change.notify(wanted)
        for _ in range(min(wanted - self._idle, self.pace.limit - self._lanes)):
            self._lanes += 1
            # Until it has looked for work: else the next to come would start one more for the same.
            self._idle += 1
            threading.Thread(target=self._work, name="lane", daemon=True).start()

    def _work(self) -> None:
        buffer = memoryview(bytearray(BUFFER_BYTES))
        done = 0
        while units := self._next(done):
            done = len(units)
            with ExitStack() as volley:
                # Whatever becomes of one of them: what is never run never ends, and its transfer waits for it.
                for unit in reversed(units):
                    volley.callback(unit.run, buffer)
                if done > 1:
                    for unit in units:
                        unit.launch()

    def _next(self, done: int) -> list[Unit]:
        """What is next for a lane that is `done` with so many units, 0 for a new one; nothing when it is to end."""
        with self._change:
            self._working -= done
            if not done:
                self._idle -= 1
            rested = False
            while True:
                units = self._first()
                if units:
                    self._working += len(units)
                    # What follows may need more lanes than what stood first.
                    self._widen()
                    return units
                # Only now: a unit may have been put while the wait was ending.
                if rested:
                    self._lanes -= 1
                    return []
                self._idle += 1
                rested = not self._change.wait(self._idle_seconds)
                self._idle -= 1

    def _first(self) -> list[Unit]:
        """The first of the queue whose turn it is; nothing also when as many are in flight as the pace allows."""
        room = min(self.pace.limit - self._working, VOLLEY)
        if room > 0:
            for _ in range(len(self._queues)):
                queue = self._queues[0]
                self._queues.rotate(-1)
                if queue.units:
                    units = [queue.units.popleft()]
                    while units[0].small and len(units) < room and queue.first_is_small:
                        units.append(queue.units.popleft())
                    return units
        return []
