"""The small requests that one lane has in flight: sent, and not answered yet."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from typing import Protocol

FLIGHT = 64
"""So many small units are in flight for one lane at most."""
_RUN_AT_ONCE = 8
"""So many answers are read before new requests are sent in their place: else service and lane would wait for each other."""
_WAIT_MS = 20
"""After so long a lane looks for more work, though nothing was answered."""
_OVERDUE_LOOK_SECONDS = 0.25


class Unit(Protocol):
    """One request's worth of work."""

    @property
    def small(self) -> bool:
        """Whether it may be one of many that a lane has in flight."""

    def launch(self) -> int:
        """
        Send the request, of a small one; `run` follows. Never raises.

        Returns the descriptor that becomes readable with the answer; -1 when there is nothing to wait for.
        """

    @property
    def overdue(self) -> bool:
        """Whether the answer has been waited for too long; it is then `run` all the same."""

    def run(self, buffer: memoryview) -> None:
        """Do it; `buffer` is this thread's alone until this returns. Never raises."""


class Flight:
    """Units that are launched, each on a connection of its own. Of one thread alone."""

    def __init__(self) -> None:
        self.units: dict[int, Unit] = {}
        """By the descriptor on which the answer comes."""
        self.spare = 0
        """How many more its lane has said it would take."""
        self._ready: list[Unit] = []
        self._poll = select.poll()
        self._looked_at = 0.0

    def answered(self, more: Sequence[Unit]) -> list[Unit]:
        """Launch `more`, and wait a little for answers; returns the units that are to be run, which then are not in flight."""
        self._ready += more
        self._ready = [unit for unit in more if not self._launched(unit)]
        answered = self._poll.poll(0 if self._ready else _WAIT_MS)
        # Those asked first come first.
        for descriptor, _ in answered[:_RUN_AT_ONCE]:
            self._land(descriptor)
        now = time.monotonic()
        if not self._ready or now - self._looked_at > _OVERDUE_LOOK_SECONDS:
            self._looked_at = now
            for descriptor in [descriptor for descriptor, unit in self.units.items() if unit.overdue]:
                self._land(descriptor)
        ready, self._ready = self._ready, []
        return ready

    def abandoned(self) -> Sequence[Unit]:
        """When a unit has broken its promise: all others that were given, and not given back to be run."""
        return [*dict.fromkeys([*self._ready, *self.units.values()])]

    def _launched(self, unit: Unit) -> bool:
        """Whether there is an answer to wait for."""
        descriptor = unit.launch()
        if descriptor < 0:
            return False
        self.units[descriptor] = unit
        self._poll.register(descriptor, select.POLLIN)
        return True

    def _land(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._ready.append(self.units.pop(descriptor))
