"""What people do with jobs: check, submit, drive, find, stop. The same for the command line and, later, the web."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

from gadus.config import Settings
from gadus.contracts import Backend
from gadus.core.errors import Conflict, InvalidSpec
from gadus.core.job import Ended, Event, Execution, Failure, Job, Outcome, Place, State, StopRequested, Submitted
from gadus.core.lifecycle import decide, execution_id
from gadus.core.placement import reasons_against, unmet
from gadus.core.spec import Constraint, JobSpec

from .loop import Loop, Watcher
from .store import Store

CheckParams = Callable[[JobSpec], JobSpec]
"""The spec with the canonical params of every plugin it names. Raises InvalidSpec with all problems."""
Hold = Callable[[Path], AbstractContextManager[bool]]
"""Holds a claim if it is free; gives whether it was."""

_TYPES_HERE = ("batch", "ops")
_PUBLISHERS_HERE = ("", "local")
_PAGE = 200
_START_SECONDS = 60
"""A job that nobody began to drive for so long has lost the process that was to drive it."""
_LEFT_BEHIND = "the process that ran it ended"


class Service:
    """Jobs of one data directory."""

    def __init__(self, settings: Settings, store: Store, backend: Backend, check_params: CheckParams, hold: Hold) -> None:
        self._settings = settings
        self._store = store
        self._backend = backend
        self._check_params = check_params
        self._hold = hold
        self._bury_the_abandoned()

    def check(self, spec: JobSpec) -> JobSpec:
        """
        The spec as it will be kept, with everything checked that can be before anything is read or run.

        Raises InvalidSpec with all problems.
        """
        problems = []
        if spec.type not in _TYPES_HERE:
            problems.append(f"Type: {spec.type!r} needs a server, which this version does not have: use batch or ops")
        publisher = spec.task.publisher
        if publisher.name not in _PUBLISHERS_HERE:
            problems.append(
                f"Tasks[0].Publisher.Type: {publisher.type!r} is not a publisher of this installation: "
                "use local (or none: results are kept here either way)"
            )
        for node in self._backend.nodes():
            problems += [f"node {node.id}: {reason}" for reason in reasons_against(node, spec)]
        try:
            spec = self._check_params(spec)
        except InvalidSpec as error:
            problems = [*error.problems, *problems]
        if problems:
            raise InvalidSpec(problems)
        return spec

    def submit(self, spec: JobSpec) -> Job:
        """Accept a job: it is on the disk when this returns. Raises InvalidSpec."""
        spec = self.check(spec)
        job, _ = decide(None, event := Submitted(at=time.time(), job_id=f"j-{uuid4()}", spec=spec))
        self._store.append(job, event)
        return job

    async def drive(self, job_id: str, watcher: Watcher) -> Job:
        """
        Run a submitted job to its end and return it as it is then.

        Cancelling stops the job; when this returns, everything it started is gone. Raises Conflict when another process
        drives it, or it has already begun.
        """
        job = self._store.get(job_id)
        with self._hold(self._claim_of(job_id)) as free:
            if not free:
                raise Conflict(f"job {job_id} is being run by another process", hint=f"gadus job logs --follow {job_id}")
            if job.executions or job.state.final:
                if job.spec.count == 0:
                    return job
                raise Conflict(f"job {job_id} has already begun; it is {job.state.value}", hint="submit it again")
            places = [Place(execution_id=execution_id(job.id, index, 0), index=index) for index in range(job.spec.count)]
            return await Loop(self._store, self._backend, job, watcher).run(places)

    def find(self, text: str) -> Job:
        """The one job with this id, leading part of an id, or name. Raises NotFound, Conflict."""
        return self._store.find(text)

    def jobs(self, *, limit: int, labels: Sequence[Constraint] = (), newest_first: bool = True) -> Sequence[Job]:
        """At most `limit` jobs whose labels meet every constraint."""
        found: list[Job] = []
        offset = 0
        while page := self._store.page(limit=_PAGE, offset=offset, newest_first=newest_first):
            offset += len(page)
            found += [job for job in page if not unmet(job.spec.labels, labels)]
            if len(found) >= limit:
                break
        return found[:limit]

    def events(self, job: Job) -> Sequence[Event]:
        """All that happened to a job, in order."""
        return self._store.events(job.id)

    def stop(self, text: str, reason: str) -> Job:
        """Ask for the end of a job; the process that runs it ends it within a second. Raises Conflict when it has ended."""
        job = self._store.find(text)
        stopped, _ = decide(job, event := StopRequested(at=time.time(), reason=reason))
        if stopped.version > job.version and job.state is not State.STOPPED:
            self._store.append(stopped, event)
        return stopped

    def results(self, job: Job, execution: Execution) -> Path:
        """The directory with what an ended execution left: stdout, stderr, exitCode, receipt.json, result paths."""
        return self._settings.results_of(job.id, execution.id)

    def _claim_of(self, job_id: str) -> Path:
        return self._settings.data_dir / "drivers" / job_id

    def _bury_the_abandoned(self) -> None:
        """End the jobs whose process is gone, so that no job is shown as running for ever."""
        for job in self._store.unfinished():
            if job.state is State.QUEUED and time.time() - job.modified_at < _START_SECONDS:
                continue
            with self._hold(self._claim_of(job.id)) as free:
                if free:
                    self._bury(self._store.get(job.id))

    def _bury(self, job: Job) -> None:
        lost = Outcome(error=Failure(kind="NodeLost", message=_LEFT_BEHIND, hint="submit the job again"))
        for execution in job.live:
            job, _ = decide(job, event := Ended(at=time.time(), execution_id=execution.id, outcome=lost))
            self._store.append(job, event)
        if not job.state.final:
            job, _ = decide(job, stop := StopRequested(at=time.time(), reason=_LEFT_BEHIND))
            self._store.append(job, stop)
