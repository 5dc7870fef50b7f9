"""Who waits for its time, before it may wait for room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gadus.core.waiting import Entry

_LONGEST_SECONDS = 300.0
"""A clock that was set back must not make a pause one for ever."""


class Pauses:
    """Entries of the queue whose time has not come; an execution has one pause at most."""

    def __init__(self, over: Callable[[Entry], None]) -> None:
        """`over` gets the entry when its pause is over."""
        self._over = over
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __contains__(self, execution_id: str) -> bool:
        """Whether it pauses now."""
        return execution_id in self._timers

    def begin(self, entry: Entry, seconds: float) -> None:
        """It pauses for so long, at most for the longest pause."""
        loop = asyncio.get_running_loop()
        self._timers[entry.execution_id] = loop.call_later(min(seconds, _LONGEST_SECONDS), self._end, entry)

    def give_up(self, execution_id: str) -> None:
        """Its time will not come."""
        timer = self._timers.pop(execution_id, None)
        if timer is not None:
            timer.cancel()

    def _end(self, entry: Entry) -> None:
        del self._timers[entry.execution_id]
        self._over(entry)
