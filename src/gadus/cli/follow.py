"""Submits a job and follows it to its end in this process."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import click

from gadus.cli.show.ending import as_line, document, exit_code_of, say_ending, say_failure
from gadus.cli.show.failures import say, say_labelled
from gadus.cli.show.progress import ExecutionProgress
from gadus.cli.show.relay import Prefixed, Relay
from gadus.cli.show.views import NoView, view_for_people
from gadus.config import Settings
from gadus.contracts import Reporter, Stream
from gadus.core.errors import Conflict, DiskFull
from gadus.core.job import Execution, Job
from gadus.core.spec import JobSpec
from gadus.orchestrator.following import Unwatched
from gadus.orchestrator.service import Service
from gadus.wiring import open_service

from .apart import start_apart
from .interrupts import run_interruptible
from .planning import plan_job


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person wants a run to look. `wait_seconds` is 0 for as long as it takes."""

    wait: bool = True
    wait_seconds: int = 0
    id_only: bool = False
    quiet: bool = False
    dry_run: bool = False
    plan: bool = False
    as_json: bool = False

    @property
    def shows_output(self) -> bool:
        return not (self.id_only or self.as_json)

    @property
    def shows_progress(self) -> bool:
        return not (self.id_only or self.quiet)


def run_job(spec: JobSpec, manner: Manner, settings: Settings) -> int:
    """The exit code of `gadus … run`; everything else goes to the two streams."""
    with open_service(settings) as service:
        if manner.plan:
            return plan_job(service, spec, quiet=manner.quiet, as_json=manner.as_json)
        if manner.dry_run:
            click.echo(_written(service.check(spec), manner), nl=False)
            return 0
        began = time.monotonic()
        job = service.submit(spec)
        if manner.id_only or not (manner.wait or manner.as_json):
            click.echo(job.id)
        elif manner.shows_progress:
            say(f"Job {job.id}")
        if not manner.wait:
            start_apart(settings, job.id)
            if manner.as_json and not manner.id_only:
                click.echo(as_line({"job_id": job.id, "state": job.state.value}))
            return 0
        return _follow(service, job, manner, began)


def _follow(service: Service, job: Job, manner: Manner, began: float) -> int:
    watching = _Watching(job, manner)
    job = run_interruptible(_drive(service, job, manner, watching), at_once=watching.let_go, last_words=watching.close)
    if manner.shows_progress:
        say_ending(job, time.monotonic() - began)
    say_failure(job)
    if manner.as_json and not manner.id_only:
        click.echo(as_line(document(job, service.results)))
    return exit_code_of(job)


async def _drive(service: Service, job: Job, manner: Manner, watching: _Watching) -> Job:
    """The ended job, with all its output passed on. A reader that went away ends it early."""
    loop = asyncio.get_running_loop()

    def lost() -> None:
        loop.call_soon_threadsafe(driving.cancel)

    try:
        async with asyncio.TaskGroup() as group:
            driving = group.create_task(service.drive(job.id, watching))
            if manner.shows_output:
                watching.relay = Relay(lost)
            if manner.wait_seconds:
                patience = group.create_task(_stop_after(service, job.id, manner.wait_seconds))
                driving.add_done_callback(lambda _: patience.cancel())
        await watching.drain()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        watching.close()
    if watching.relay and watching.relay.failure:
        raise _unwritable(watching.relay.failure)
    return driving.result()


async def _stop_after(service: Service, job_id: str, seconds: int) -> None:
    await asyncio.sleep(seconds)
    with suppress(Conflict):  # it has just ended by itself
        service.stop(job_id, f"not done after --wait-timeout-secs {seconds}")


def _unwritable(failure: OSError) -> Exception:
    if isinstance(failure, BrokenPipeError):
        return failure
    return DiskFull(f"standard output cannot be written: {failure}", hint="send it elsewhere; the job was stopped")


def _written(spec: JobSpec, manner: Manner) -> str:
    wire = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if manner.as_json:
        return as_line(wire) + "\n"
    import yaml  # noqa: PLC0415 - only here

    return yaml.safe_dump(wire, sort_keys=False, allow_unicode=True)


class _Watching(Unwatched):
    """The `Watcher` of a followed job: output to the relay, progress to a view."""

    def __init__(self, job: Job, manner: Manner) -> None:
        self.relay: Relay | None = None
        self._new_view = partial(view_for_people, job.spec.count) if manner.shows_progress else NoView
        self._view = self._new_view()
        self._inputs = len(job.spec.task.input_sources)
        self._many = job.spec.count > 1
        self._progress: dict[int, ExecutionProgress] = {}
        self._prefixed: dict[tuple[int, Stream], Prefixed] = {}
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
        if self.relay:
            self.relay.abandon()

    async def drain(self) -> None:
        """All that the program wrote has been passed on."""
        for prefixed in self._prefixed.values():
            prefixed.end()
        if self.relay:
            await asyncio.to_thread(self.relay.drain)

    def close(self) -> None:
        """The terminal is as it was, at the beginning of a line."""
        self._view.close()
        if self.relay and self.relay.last_byte != b"\n" and sys.stdout.isatty() and sys.stderr.isatty():
            say("")

    def _moved(self) -> None:
        self._view.show(list(self._progress.values()))

    def _emit(self, index: int, stream: Stream, data: bytes) -> None:
        relay = self.relay
        if relay is None:
            return
        self._view.close()
        if not self._many:
            relay.put(stream, data)
            return
        key = (index, stream)
        if key not in self._prefixed:
            self._prefixed[key] = Prefixed(index, lambda line: relay.put(stream, line))
        self._prefixed[key].feed(data)
