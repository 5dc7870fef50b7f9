"""Drives one job to its end: decide, remember, act. In that order, so that a crash between two loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from gadus.contracts import Backend, Reporter
from gadus.core.errors import Bug, Conflict, GadusError
from gadus.core.job import (
    Action,
    Ended,
    Event,
    Execution,
    Expired,
    Failure,
    Job,
    Outcome,
    Phase,
    PhaseEntered,
    Pin,
    Pinned,
    Place,
    Placed,
    Stop,
    StopRequested,
)
from gadus.core.lifecycle import decide

from .store import Store

_LOOK_SECONDS = 0.5
"""How often the store is asked whether another process stopped the job."""
_RETRY_SECONDS = (0.0, 1.0, 4.0)
"""Pause before the first, second and third try of an index."""
_APPENDS_TRIED = 20


class Watcher(Protocol):
    """Who follows a job."""

    def reporter(self, execution: Execution) -> Reporter:
        """Who is told how this execution goes on; asked once, when it begins."""

    def changed(self, job: Job) -> None:
        """The job is now this: called after every event."""


class Loop:
    """One job, from where the store has it to its end. Made anew for each drive."""

    def __init__(self, store: Store, backend: Backend, job: Job, watcher: Watcher) -> None:
        self._store = store
        self._backend = backend
        self._job = job
        self._watcher = watcher
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self, actions: Sequence[Action]) -> Job:
        """
        Carry out `actions` and all that follows from them until the job has ended and nothing of it runs.

        Cancelling stops the job: it is remembered as stopped, and everything it started is gone.
        """
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch_store())
                try:
                    self._act(group, actions)
                    await self._until_nothing_runs()
                except asyncio.CancelledError:
                    # Before the executions are cancelled: their ends are then those of a stopped job.
                    if not self._job.state.final:
                        self._happened(StopRequested(at=time.time(), reason="stopped by the user"))
                    raise
                finally:
                    watching.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        return self._job

    async def _until_nothing_runs(self) -> None:
        while self._running:
            await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
            self._running = {name: task for name, task in self._running.items() if not task.done()}

    def _act(self, group: asyncio.TaskGroup, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Place():
                    self._running[action.execution_id] = group.create_task(self._one(group, action))
                case Stop():
                    self._stop(action.execution_id)

    def _stop(self, execution_id: str) -> None:
        task = self._running.get(execution_id)
        # Once: a second cancellation would interrupt the cleaning up after the first.
        if task is not None and task is not asyncio.current_task() and not task.cancelling():
            task.cancel()

    async def _one(self, group: asyncio.TaskGroup, place: Place) -> None:
        """One execution, from its place in the queue to its remembered end."""
        tries = sum(execution.index == place.index for execution in self._job.executions)
        try:
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            outcome = await self._backend.run(self._job, place, lambda node: self._begin(place, node))
        except asyncio.CancelledError:
            self._end(place, Outcome(error=Failure(kind="Stopped", message="stopped before its end")))
            raise
        except GadusError as error:
            outcome = Outcome(error=Failure(kind=error.kind, message=error.message, hint=error.hint), can_retry=error.can_retry)
        except Exception as error:
            # A defect of ours ends the job, too; then whoever drives it reports the defect.
            defect = _first(error)
            self._end(place, Outcome(error=Failure(kind="Bug", message=f"{type(defect).__name__}: {defect}")))
            raise
        self._act(group, self._end(place, outcome))

    def _begin(self, place: Place, node: str) -> Reporter:
        self._happened(Placed(at=time.time(), execution_id=place.execution_id, index=place.index, node=node))
        execution = next(one for one in self._job.executions if one.id == place.execution_id)
        return _Remembering(self, execution.id, self._watcher.reporter(execution))

    def _end(self, place: Place, outcome: Outcome) -> Sequence[Action]:
        if all(execution.id != place.execution_id for execution in self._job.executions):
            return ()
        return self._happened(Ended(at=time.time(), execution_id=place.execution_id, outcome=outcome))

    def entered(self, execution_id: str, phase: Phase) -> None:
        """An execution went on to `phase`."""
        self._happened(PhaseEntered(at=time.time(), execution_id=execution_id, phase=phase))

    def known(self, pin: Pin) -> None:
        """One input is what `pin` says, for every execution of the job."""
        self._happened(Pinned(at=time.time(), pin=pin))

    def _happened(self, event: Event) -> Sequence[Action]:
        """Decide and remember; what another process appended in between is taken in first."""
        for _ in range(_APPENDS_TRIED):
            job, actions = decide(self._job, event)
            try:
                self._store.append(job, event)
            except Conflict:
                self._job = self._store.get(self._job.id)
                continue
            self._job = job
            self._watcher.changed(job)
            return actions
        raise Bug(f"job {self._job.id} was changed by others {_APPENDS_TRIED} times in a row")

    async def _watch_store(self) -> None:
        """Notice a stop that another process asked for, and the job's own time limit."""
        limit = self._job.spec.task.timeouts.total_timeout
        while True:
            if limit and time.time() - self._job.created_at > limit and not self._job.state.final:
                self._happened(Expired(at=time.time()))
            held = self._store.get(self._job.id)
            if held.version > self._job.version:
                self._job = held
                self._watcher.changed(held)
            if self._job.state.final:
                # Also what still waits for room, which no Stop names.
                for execution_id in self._running:
                    self._stop(execution_id)
            await asyncio.sleep(_LOOK_SECONDS)


def _first(error: BaseException) -> BaseException:
    """The one to show of errors that tasks raised together: the others were cancelled because of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Remembering:
    """A reporter whose phases are events, too."""

    def __init__(self, loop: Loop, execution_id: str, reporter: Reporter) -> None:
        self._loop = loop
        self._execution_id = execution_id
        self._reporter = reporter
        self.found = reporter.found
        self.found_whole = reporter.found_whole
        self.staged = reporter.staged
        self.preparing = reporter.preparing
        self.prepared = reporter.prepared
        self.output = reporter.output

    def phase(self, phase: Phase) -> None:
        self._loop.entered(self._execution_id, phase)
        self._reporter.phase(phase)

    def pinned(self, pin: Pin) -> None:
        self._loop.known(pin)
        self._reporter.pinned(pin)
