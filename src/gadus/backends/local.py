"""Executions on this machine, each in a shim: they outlive the process that started them, and are found again by the next."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from gadus.contracts import Reporter
from gadus.core.errors import EngineAway, EngineLost, EngineUnavailable
from gadus.core.job import Execution, Failure, Job, Outcome
from gadus.core.placement import Node
from gadus.shims.asking import Nursery
from gadus.shims.identity import Identity, opened, signal_to
from gadus.shims.journal import Entered, Exit, Learned
from gadus.shims.records import Records, found

from .files import when_files_allow

_LOOK_SECONDS = 0.25
"""How often the journal of a running shim is read."""
_BEGIN_SECONDS = 0.02
_STOP_SECONDS = 30.0
"""A shim that has not ended so long after it was asked to is killed: an engine needs ten of them for a stubborn program."""
_LOST = Outcome(
    error=Failure(
        kind="NodeLost", message="the process that ran the execution ended without a word", hint="it is tried again by itself"
    ),
    can_retry=True,
)

_LEAVE_SOMETHING = (EngineUnavailable.__name__, EngineAway.__name__, EngineLost.__name__, "NodeLost")
"""The kinds of failures after which something may run on: nobody could end it."""


class Backend:
    """Starts shims and follows them; to stop following one leaves it running."""

    def __init__(
        self,
        nodes: Callable[[], Sequence[Node]],
        shims_dir: Path,
        nursery: Nursery,
        clean_up: Callable[[str], Awaitable[None]],
        forget_job: Callable[[str], None],
    ) -> None:
        """
        `clean_up` ends and removes what belongs to executions of an engine whose process is gone, `forget_job` what those of a
        job share.
        """
        self._nodes = nodes
        self._shims_dir = shims_dir
        self._nursery = nursery
        self._clean_up = clean_up
        self._forget_job = forget_job
        self._stopping: set[str] = set()
        self._following: set[str] = set()

    def nodes(self) -> Sequence[Node]:
        """The only node: this machine."""
        return self._nodes()

    async def joined(self) -> None:
        """Never: this machine is all there is."""
        await asyncio.Event().wait()

    async def run(self, job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        """Start its shim, or find it again, and tell what it writes down; cancelling leaves it running."""
        return await when_files_allow(lambda: self._run(job, execution, reporter))

    async def _run(self, job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        records = Records(self._shims_dir, execution.id)
        exit_ = records.ended()
        if exit_ is None:
            self._following.add(execution.id)
            ended = self._nursery.end_of(execution.id)
            try:
                exit_ = await self._followed(records, await self._begun(records, job, execution), reporter, ended)
            finally:
                self._following.discard(execution.id)
            # Who was told to stop may get the signal only now: then it must be nobody else.
            await self._nursery.over(execution.id, again=exit_ is not None and execution.id not in self._stopping)
        _tell(records, reporter)
        outcome = exit_.outcome if exit_ is not None else _LOST
        if outcome.error is not None and outcome.error.kind in _LEAVE_SOMETHING:
            # First what it left running, then the news: whoever hears it may start the same thing anew.
            await self._clean_up(job.spec.task.engine.name)
        return outcome

    async def stop(self, execution_id: str) -> None:
        """Ask the shim to end; kill it when it does not, so that what it started is cleaned up after it."""
        if execution_id in self._stopping:
            return
        self._stopping.add(execution_id)
        try:
            await when_files_allow(lambda: self._stop(execution_id))
        finally:
            self._stopping.discard(execution_id)

    async def _stop(self, execution_id: str) -> None:
        process = await self._soon_there(execution_id)
        if process is not None and signal_to(process, signal.SIGTERM) and not await _gone(process, _STOP_SECONDS):
            signal_to(process, signal.SIGKILL)

    async def forget(self, execution_id: str) -> None:
        """Remove its records, as soon as no process holds them any more."""
        await when_files_allow(lambda: self._forget(execution_id))

    async def _forget(self, execution_id: str) -> None:
        records = Records(self._shims_dir, execution_id)
        while not records.forget():  # noqa: ASYNC110 - the other is a process
            await asyncio.sleep(_BEGIN_SECONDS)

    async def over(self, job_id: str) -> None:
        """Remove what its executions shared."""
        self._forget_job(job_id)

    def found(self) -> Sequence[str]:
        """Every execution there are records of."""
        return found(self._shims_dir)

    async def _begun(self, records: Records, job: Job, execution: Execution) -> Identity:
        process = records.process()
        if process is None:
            records.order(job, execution)
            try:
                process = await self._nursery.start(execution.id)
            except EngineUnavailable:
                # Whoever was forked before may have heard of it all the same.
                process = await _who_took(records)
                if process is None:
                    raise
        return process

    async def _soon_there(self, execution_id: str) -> Identity | None:
        """The process that runs it, as soon as there is one; None when there is none to come."""
        records = Records(self._shims_dir, execution_id)
        while records.ended() is None:
            process = records.process()
            if process is not None:
                return process
            if execution_id not in self._following:
                return None
            await asyncio.sleep(_BEGIN_SECONDS)
        return None

    async def _followed(
        self, records: Records, process: Identity, reporter: Reporter, ended: asyncio.Future[None]
    ) -> Exit | None:
        """How the execution ended, when it has; None when whoever ran it is gone without saying so."""
        while True:
            over = False
            while not over:
                over = await _gone(process, _LOOK_SECONDS, ended)
                exit_ = records.ended()
                if exit_ is not None:
                    return exit_
                _tell(records, reporter)
            runs = records.process()
            if runs == process or (runs is None and records.free()):
                return records.ended()
            # Another shim had begun it before: an earlier server had asked for it, and was gone before it heard of it.
            process, ended = runs or process, asyncio.get_running_loop().create_future()
            await asyncio.sleep(_BEGIN_SECONDS)


async def _who_took(records: Records) -> Identity | None:
    """The process that has begun the execution; None when nobody has, or will any more."""
    while (process := records.process()) is None and not records.withdraw():  # noqa: ASYNC110 - the other is a process
        await asyncio.sleep(_BEGIN_SECONDS)
    return process


def _tell(records: Records, reporter: Reporter) -> None:
    for entry in records.news():
        match entry:
            case Entered():
                reporter.phase(entry.phase, at=entry.at)
            case Learned():
                reporter.pinned(entry.pin)


async def _gone(process: Identity, within_seconds: float, *or_: asyncio.Future[None]) -> bool:
    """Whether the process ends, or another of these is done, within so many seconds."""
    descriptor = opened(process)
    if descriptor is None:
        return True
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: _say(ended))
    try:
        done, _ = await asyncio.wait([ended, *or_], timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _say(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
