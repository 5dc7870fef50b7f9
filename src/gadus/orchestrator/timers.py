"""When the time of jobs is up, counted by a clock that nobody can set."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable


class Timers:
    """At most one time for each job. What was set first and then changed is left in the heap until its turn comes."""

    def __init__(self, call: Callable[[str, float], Awaitable[None]]) -> None:
        """`call` gets the job's id and the time that was set, some moment after it is reached."""
        self._call = call
        self._heap: list[tuple[float, str]] = []
        self._set: dict[str, tuple[float, float]] = {}
        self._sooner = asyncio.Event()

    def set(self, job_id: str, at: float | None) -> None:
        """Call for the job at this Unix time, as the clock says now; with None not at all."""
        known = self._set.get(job_id)
        if at is None:
            self._set.pop(job_id, None)
        elif known is None or known[0] != at:
            # How long it is until then is settled now: from here on the clock may be set to what it may.
            due = time.monotonic() + max(0.0, at - time.time())
            self._set[job_id] = (at, due)
            heapq.heappush(self._heap, (due, job_id))
            if self._heap[0] == (due, job_id):
                self._sooner.set()

    async def run(self) -> None:
        """Call whoever's time is up, for ever."""
        while True:
            self._sooner.clear()
            pause = self._heap[0][0] - time.monotonic() if self._heap else None
            if pause is None or pause > 0:
                try:
                    async with asyncio.timeout(pause):
                        await self._sooner.wait()
                except TimeoutError:
                    pass
                continue
            due, job_id = heapq.heappop(self._heap)
            at, expected = self._set.get(job_id, (0.0, 0.0))
            if expected == due:
                del self._set[job_id]
                await self._call(job_id, at)
