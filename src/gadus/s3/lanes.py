"""
The threads that move bytes: one set for all inputs of all executions of this process, so that they share one budget.

Each lane has one buffer, and one request in flight for a large piece. Of small ones it has many in flight, each on a connection
of its own, and reads the answers as they come; the next request goes out as soon as one is answered. So one thread keeps a
service busy, and few threads wait for each other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from .flight import FLIGHT, Flight, Unit
from .pace import Pace

BUFFER_BYTES = 1 << 20
IDLE_SECONDS = 5.0
"""A lane that has had no work for so long ends."""


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
        self._spare = 0
        """How many more small units the lanes would take that have some in flight."""

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
        spare = self._spare
        wanted = 0
        for queue in self._queues:
            units = min(len(queue.units), max(room, 0))
            room -= units
            if queue.first_is_small:
                # Lanes with others in flight look again by themselves.
                beyond, spare = max(units - spare, 0), max(spare - units, 0)
                wanted += -(-beyond // FLIGHT)
            else:
                wanted += units
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
        flight = Flight()
        done: int | None = None
        try:
            while (units := self._next(done, flight)) or flight.units:
                # What is alone is waited for in the plain way.
                ready = units if len(units) == 1 and not flight.units else flight.answered(units)
                done = len(ready)
                _run_all(ready, buffer)
        finally:
            _run_all(flight.abandoned(), buffer)

    def _next(self, done: int | None, flight: Flight) -> Sequence[Unit]:
        """
        What is next for a lane that is `done` with so many units, None for a new one, and has others in `flight`.

        Nothing when it is to end, or to go on with its flight.
        """
        with self._change:
            if done is None:
                self._idle -= 1
            self._working -= done or 0
            self._spare -= flight.spare
            flight.spare = 0
            rested = False
            while True:
                units = self._first(len(flight.units))
                if units:
                    self._working += len(units)
                if flight.units or len(units) > 1:
                    flight.spare = FLIGHT - len(flight.units) - len(units)
                    self._spare += flight.spare
                if units or flight.units:
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

    def _first(self, in_flight: int) -> list[Unit]:
        """
        The first of the queue whose turn it is, for a lane with so many in flight: only small ones, when it has any.

        Nothing also when as many are in flight as the pace allows.
        """
        room = min(self.pace.limit - self._working, FLIGHT - in_flight)
        if room > 0:
            for _ in range(len(self._queues)):
                queue = self._queues[0]
                self._queues.rotate(-1)
                if queue.units and (queue.first_is_small or not in_flight):
                    units = [queue.units.popleft()]
                    while units[0].small and len(units) < room and queue.first_is_small:
                        units.append(queue.units.popleft())
                    return units
        return []


def _run_all(units: Sequence[Unit], buffer: memoryview) -> None:
    """Whatever becomes of one of them: what is never run never ends, and its transfer waits for it."""
    with ExitStack() as all_of_them:
        for unit in reversed(units):
            all_of_them.callback(unit.run, buffer)
