"""One execution, from its node's first word of it to its remembered end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from gadus.contracts import Backend, Reporter, Silent
from gadus.core.errors import GadusError
from gadus.core.job import Ended, Event, Execution, Failure, Job, Outcome, Phase, PhaseEntered, Pin, Pinned

if TYPE_CHECKING:
    from .loop import Loop

_GATHER_SECONDS = 0.05
"""What an execution tells within this time is remembered at once: one write for a job that takes no longer."""


class Watcher(Protocol):
    """Who wants to see what becomes of jobs. Calls are frequent and must be cheap."""

    def reporter(self, execution: Execution) -> Reporter:
        """Who is told how this execution goes on; asked once, when it begins."""

    def changed(self, job: Job) -> None:
        """The job is now this: called after every event, whoever remembered it."""

    def happened(self, before: Job | None, job: Job, events: Sequence[Event]) -> None:
        """These events, which this process remembered just now, made `job` of `before`; that is None for a new job."""


class Unwatched:
    """A `Watcher` who does not look."""

    def reporter(self, execution: Execution) -> Reporter:  # noqa: ARG002 - the signature of the protocol
        """Told nothing on."""
        return Silent()

    def changed(self, job: Job) -> None:
        """Not looked at."""

    def happened(self, before: Job | None, job: Job, events: Sequence[Event]) -> None:
        """Not looked at."""


_PHASES = list(Phase)


class Following:
    """Starts an execution or finds it again, and remembers what it tells."""

    def __init__(self, loop: Loop, backend: Backend, watcher: Watcher, job: Job, execution: Execution) -> None:
        self._loop = loop
        self._backend = backend
        self._watcher = watcher
        self._job = job
        self._execution = execution
        self._told: list[Event] = []
        self._more = asyncio.Event()

    async def run(self) -> None:
        """Until the end is remembered. Cancelled, it leaves the execution as the backend leaves what nobody follows."""
        remembering = asyncio.create_task(self._remember_again_and_again())
        try:
            outcome = await self._outcome()
        except Exception as error:
            # A defect of ours ends the execution, too; then whoever runs the loop hears of it.
            await self._over(Outcome(error=defect_of(error)))
            raise
        finally:
            # A write that has begun goes on, and before the next: events of a job come one after the other.
            remembering.cancel()
            await asyncio.gather(remembering, return_exceptions=True)
        await self._over(outcome)

    async def _over(self, outcome: Outcome) -> None:
        ended = Ended(at=time.time(), execution_id=self._execution.id, outcome=outcome)
        await self._loop.happened_for_sure(self._job.id, *self._taken(), ended)
        await self._backend.forget(self._execution.id)

    async def _outcome(self) -> Outcome:
        if self._unwanted():
            return Outcome(error=Failure(kind="Stopped", message="stopped before it began"))
        try:
            reporter = _Remembering(self, self._watcher.reporter(self._execution))
            return await self._backend.run(self._job, self._execution, reporter)
        except GadusError as error:
            failure = Failure(kind=error.kind, message=error.message, hint=error.hint)
            return Outcome(error=failure, can_retry=error.can_retry)

    def _unwanted(self) -> bool:
        """Whether it was stopped before its node heard of it."""
        job = self._loop.held(self._job.id) or self._job
        stopping = any(one.id == self._execution.id and one.stopping for one in job.executions)
        return stopping and self._execution.id not in self._backend.found()

    def tell(self, event: Event) -> None:
        """Remember `event` soon, and before whatever is told after it."""
        self._told.append(event)
        self._more.set()

    @property
    def execution(self) -> Execution:
        """Whom this follows."""
        return self._execution

    @property
    def known_pins(self) -> Sequence[Pin]:
        """What the job's inputs are known to be."""
        return self._job.pins if self._execution.edition == self._job.edition else ()

    async def _remember_again_and_again(self) -> None:
        while True:
            await self._more.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._more.clear()
            if events := self._taken():
                await asyncio.shield(self._loop.happened_for_sure(self._job.id, *events))

    def _taken(self) -> list[Event]:
        events, self._told = self._told, []
        return events


def defect_of(error: Exception) -> Failure:
    """How a defect of ours is remembered."""
    first = first_of(error)
    return Failure(kind="Bug", message=f"{type(first).__name__}: {first}")


def first_of(error: Exception) -> Exception:
    """The one to show of errors that tasks raised together: the others were cancelled because of it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class _Remembering:
    """A reporter whose phases and pins are events, too."""

    def __init__(self, following: Following, reporter: Reporter) -> None:
        self._following = following
        self._reporter = reporter
        self.found = reporter.found
        self.found_whole = reporter.found_whole
        self.staged = reporter.staged
        self.preparing = reporter.preparing
        self.prepared = reporter.prepared
        self.output = reporter.output

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
        execution = self._following.execution
        # Who follows an execution anew is told of all its phases again.
        if execution.phase is None or _PHASES.index(phase) > _PHASES.index(execution.phase):
            self._following.tell(PhaseEntered(at=at or time.time(), execution_id=execution.id, phase=phase))
        self._reporter.phase(phase, at=at)

    def pinned(self, pin: Pin) -> None:
        if all(pin.target != known.target for known in self._following.known_pins):
            self._following.tell(Pinned(at=time.time(), edition=self._following.execution.edition, pin=pin))
        self._reporter.pinned(pin)
