"""Submits a job and follows it to its end in this process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial

from gadus.cli.show.ended import Ended, Written
from gadus.cli.show.ending import head_of
from gadus.cli.show.failures import say_labelled
from gadus.cli.show.output import Output
from gadus.cli.show.progress import ExecutionProgress
from gadus.cli.show.relay import unwritable
from gadus.cli.show.running import say_end, say_submitted
from gadus.cli.show.views import NoView, view_for_people
from gadus.config import Settings
from gadus.contracts import Reporter, Stream
from gadus.core.errors import Conflict
from gadus.core.job import Execution, Job
from gadus.core.spec import JobSpec
from gadus.orchestrator.following import Unwatched
from gadus.orchestrator.service import Service
from gadus.web.wire import NUMBERS_SINCE_1_5_2, execution_document, job_document
from gadus.web.wire import Written as Heads
from gadus.wiring import open_service

from .apart import start_apart
from .interrupts import run_interruptible
from .manner import Manner


def run_here(spec: JobSpec, manner: Manner, settings: Settings) -> int:
    """The exit code of a job that this process runs; everything else goes to the two streams."""
    with open_service(settings) as service:
        began = time.monotonic()
        job = service.submit(spec)
        say_submitted(job.id, manner)
        if not manner.wait:
            start_apart(settings, job.id)
            return 0
        return _follow(service, job, manner, began)


def _follow(service: Service, job: Job, manner: Manner, began: float) -> int:
    watching = _Watching(job, manner)
    job = run_interruptible(_drive(service, job, manner, watching), at_once=watching.let_go, last_words=watching.close)
    ended = ended_here(job)
    kept = {one.id: service.results(job, one) for one in job.executions}
    say_end(ended, manner, time.monotonic() - began, lambda one, stream: Written(*head_of(kept[one["ID"]] / stream)))
    return ended.exit_code


def ended_here(job: Job) -> Ended:
    """A job of this process as the API would tell it."""
    return Ended(
        job_document(job),
        [
            execution_document(job, one, NUMBERS_SINCE_1_5_2, written=Heads(), published=None)
            for one in job.executions
            if one.edition == job.edition
        ],
    )


async def _drive(service: Service, job: Job, manner: Manner, watching: _Watching) -> Job:
    """The ended job, with all its output passed on. A reader that went away ends it early."""
    loop = asyncio.get_running_loop()

    def lost() -> None:
        loop.call_soon_threadsafe(driving.cancel)

    try:
        async with asyncio.TaskGroup() as group:
            driving = group.create_task(service.drive(job.id, watching))
            if manner.shows_output:
                watching.output = Output(lost, many=job.spec.count > 1 or job.spec.type == "ops")
            if manner.wait_seconds:
                patience = group.create_task(_stop_after(service, job.id, manner.wait_seconds))
                driving.add_done_callback(lambda _: patience.cancel())
        await watching.drain()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        watching.close()
    if watching.output and watching.output.failure:
        raise unwritable(watching.output.failure)
    return driving.result()


async def _stop_after(service: Service, job_id: str, seconds: int) -> None:
    await asyncio.sleep(seconds)
    with suppress(Conflict):  # it has just ended by itself
        service.stop(job_id, f"not done after --wait-timeout-secs {seconds}")


class _Watching(Unwatched):
    """The `Watcher` of a followed job: what programs write to the output, progress to a view."""

    def __init__(self, job: Job, manner: Manner) -> None:
        self.output: Output | None = None
        self._new_view = partial(view_for_people, job.spec.count) if manner.shows_progress else NoView
        self._view = self._new_view()
        self._inputs = len(job.spec.task.input_sources)
        self._progress: dict[int, ExecutionProgress] = {}
        self._told: set[str] = set()

    def reporter(self, execution: Execution) -> Reporter:
        # A further try of the same part takes the place of the one that failed.
        progress = ExecutionProgress(execution.index, self._inputs, self._moved, self._emit)
        self._progress[execution.index] = progress
        return progress

    def changed(self, job: Job) -> None:
        for one in job.executions:
            error = one.outcome.error if one.outcome else None
            if error and not job.state.final and one.id not in self._told:
                self._told.add(one.id)
                self._view.close()
                say_labelled("Warning", f"{error.message}; trying again")
                self._view = self._new_view()

    def let_go(self) -> None:
        """Nothing waits for a slow reader any more."""
        if self.output:
            self.output.let_go()

    async def drain(self) -> None:
        """All that the program wrote has been passed on."""
        if self.output:
            await self.output.drain()

    def close(self) -> None:
        """The terminal is as it was, at the beginning of a line."""
        self._view.close()
        if self.output:
            self.output.end_line()

    def _moved(self) -> None:
        self._view.show(list(self._progress.values()))

    def _emit(self, index: int, stream: Stream, data: bytes) -> None:
        if self.output:
            self._view.close()
            self.output.put(index, stream, data)
