"""Drives one attended job in the process that submitted it, to its end or to that of the process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from gadus.contracts import Backend, Reporter
from gadus.core.errors import Conflict, StorageUnavailable
from gadus.core.job import Ended, Execution, Job, Outcome, StopRequested

from .background import Background
from .following import Unwatched, Watcher, defect_of, first_of
from .loop import Loop
from .placing import NeedsOf, Placing
from .store import Store, Writer

_LOOK_SECONDS = 0.5
"""How often the store is asked whether another process stopped the job."""


async def drive(store: Store, backend: Backend, needs_of: NeedsOf, job: Job, watcher: Watcher) -> Job:
    """
    Run `job` to its end and return it as it is then.

    Cancelling stops the job: it is remembered as stopped, and everything it started is gone when this returns.
    """
    ended = _Ended(watcher)
    with Writer(store) as writer:
        async with Background() as background:
            placing = Placing(backend, needs_of, _never_refuses, background)
            loop = Loop(store, writer, backend, placing, ended, background)
            loop.start()
            loop.resume(job)
            looking = background.start(_look_for_changes(loop, job.id))
            try:
                await _first_of(ended.event.wait(), background.failure)
                await _first_of(loop.until_nothing_runs(), background.failure)
            except asyncio.CancelledError:
                # Before the executions are ended: their ends are then those of a stopped job.
                await _stop(loop, job.id)
                await loop.until_nothing_runs()
                raise
            except Exception as defect:
                await _fail(loop, job.id, defect)
                await loop.until_nothing_runs()
                raise
            finally:
                looking.cancel()
        return loop.job(job.id)


class _Ended(Unwatched):
    """Passes everything on, and notices the end. A watcher that breaks is asked no more."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._asked = False
        self.event = asyncio.Event()

    def reporter(self, execution: Execution) -> Reporter:
        """See `Watcher`."""
        return self._watcher.reporter(execution)

    def changed(self, job: Job) -> None:
        """See `Watcher`."""
        if not self._asked:
            self._asked = True
            self._watcher.changed(job)
            self._asked = False
        if job.state.final:
            self.event.set()


async def _stop(loop: Loop, job_id: str) -> None:
    try:
        await loop.happened_for_sure(job_id, StopRequested(at=time.time(), reason="stopped by the user"))
    except Conflict:
        # It had ended by itself.
        return


async def _fail(loop: Loop, job_id: str, defect: Exception) -> None:
    """A defect of ours ends the job."""
    job = loop.job(job_id)
    outcome = Outcome(error=defect_of(defect))
    for execution in job.live[:1]:
        await loop.happened_for_sure(job_id, Ended(at=time.time(), execution_id=execution.id, outcome=outcome))
        await loop.end(execution.id)
    if not job.live:
        await _stop(loop, job_id)


async def _look_for_changes(loop: Loop, job_id: str) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with suppress(StorageUnavailable):
            await loop.changed_elsewhere(job_id)


async def _first_of(waiting: object, failed: asyncio.Future[None]) -> None:
    """Wait, and raise what is wrong with the loop if that comes first."""
    task: asyncio.Future[None] = asyncio.ensure_future(waiting)  # type: ignore[call-overload] # coroutines only
    try:
        await asyncio.wait([task, failed], return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failure = failed.exception()
            assert isinstance(failure, Exception)
            raise first_of(failure)
    finally:
        task.cancel()


async def _never_refuses(*_: object) -> str:
    return ""
