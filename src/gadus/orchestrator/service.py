"""What people do with jobs: check, submit, drive, find, stop. The same for the command line and, later, the web."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from gadus.config import Settings
from gadus.contracts import Backend
from gadus.core.errors import Conflict, InvalidSpec, NotFound
from gadus.core.ids import new_uuid
from gadus.core.job import Ended, Event, Execution, Failure, Job, Outcome, Pin, Renewed, State, StopRequested, Submitted
from gadus.core.lifecycle import decide
from gadus.core.manifest import Item
from gadus.core.placement import Node, reasons_against, unmet
from gadus.core.plan import Placing, Plan
from gadus.core.spec import Constraint, JobSpec
from gadus.manifests import Manifests

from .driver import drive
from .editions import edition_of, editions_of
from .following import Watcher
from .placing import NeedsOf
from .store import Store

CheckParams = Callable[[JobSpec], JobSpec]
"""The spec with the canonical params of every plugin it names. Raises InvalidSpec with all problems."""
LookAhead = Callable[[JobSpec, Placing, Sequence[Failure], Callable[[int, int], None]], Awaitable[Plan]]
"""What would become of a job, when its place and these problems are known; told of the objects and bytes it finds."""
Hold = Callable[[Path], AbstractContextManager[bool]]
"""Holds a claim if it is free; gives whether it was."""

_TYPES_HERE = ("batch", "ops")
_PUBLISHERS_HERE = ("", "local")
_PAGE = 200
_APPENDS_TRIED = 100
_START_SECONDS = 60
"""A job that nobody began to drive for so long has lost the process that was to drive it."""
_LEFT_BEHIND = "the process that ran it ended"


class Service:
    """Jobs of one data directory."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        backend: Backend,
        check_params: CheckParams,
        look_ahead: LookAhead,
        needs_of: NeedsOf,
        hold: Hold,
        *,
        types: Collection[str] = _TYPES_HERE,
    ) -> None:
        """`types` are those of jobs that can be run here."""
        self._settings = settings
        self._store = store
        self._backend = backend
        self._check_params = check_params
        self._look_ahead = look_ahead
        self._needs_of = needs_of
        self._hold = hold
        self._types = types
        self._bury_the_abandoned()

    def check(self, spec: JobSpec) -> JobSpec:
        """
        The spec as it will be kept, with everything checked that can be before anything is read or run.

        Raises InvalidSpec with all problems.
        """
        checked, problems = self._checked(spec)
        problems += _placeless(self._placing(checked))
        if problems:
            raise InvalidSpec(problems)
        return checked

    async def plan(self, spec: JobSpec, told: Callable[[int, int], None]) -> Plan:
        """
        What the job would read and where it would run, with every reason why it cannot; no job is stored.

        `told` is called with the objects and bytes that became known meanwhile.
        """
        checked, problems = self._checked(spec)
        placing = self._placing(checked)
        failures = [Failure(kind=InvalidSpec.__name__, message=problem) for problem in (*problems, *_placeless(placing))]
        return await self._look_ahead(checked, placing, failures, told)

    def submit(self, spec: JobSpec) -> Job:
        """Accept a job: it is on the disk when this returns. Raises InvalidSpec."""
        spec = self.check(spec)
        job, _ = decide(None, event := Submitted(at=time.time(), job_id=f"j-{new_uuid()}", spec=spec, attended=True))
        self._store.append(None, job, event)
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
            if job.spec.count == 0 and job.state.final:
                return job
            if job.state.final or any(one.edition == job.edition for one in job.executions):
                raise Conflict(f"job {job_id} has already begun; it is {job.state.value}", hint="submit it again")
            return await drive(self._store, self._backend, self._needs_of, job, watcher)

    def find(self, text: str, namespaces: frozenset[str] | None = None) -> Job:
        """The one job with this id or leading part of an id, or the newest of this name: see `Store.find`."""
        return self._store.find(text, namespaces)

    def page(
        self,
        *,
        limit: int,
        after: str = "",
        newest_first: bool = True,
        namespaces: frozenset[str] | None = None,
        labels: Sequence[Constraint] = (),
    ) -> tuple[Sequence[Job], str]:
        """Some jobs, and the token for the next ones: see `Store.page`."""
        return self._store.page(limit=limit, after=after, newest_first=newest_first, namespaces=namespaces, labels=labels)

    def page_by_change(
        self,
        *,
        limit: int,
        after: int = 0,
        newest_first: bool = True,
        namespaces: frozenset[str] | None = None,
        labels: Sequence[Constraint] = (),
    ) -> tuple[Sequence[Job], int]:
        """The same in the order of their last changes: see `Store.page_by_change`."""
        return self._store.page_by_change(
            limit=limit, after=after, newest_first=newest_first, namespaces=namespaces, labels=labels
        )

    def jobs(self, *, limit: int, labels: Sequence[Constraint] = (), newest_first: bool = True) -> Sequence[Job]:
        """At most `limit` jobs whose labels meet every constraint."""
        found: list[Job] = []
        after = ""
        while True:
            page, after = self._store.page(limit=_PAGE, after=after, newest_first=newest_first)
            found += [job for job in page if not unmet(job.spec.labels, labels)]
            if len(found) >= limit or not after:
                return found[:limit]

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many jobs there are of each type in each state."""
        return self._store.counts()

    def events(self, job: Job) -> Sequence[Event]:
        """All that happened to a job, in order."""
        return [event for _, event in self._store.events(job.id)]

    def manifest(self, pin: Pin) -> Iterator[Item]:
        """Every object of a pinned input. Raises NotFound when the manifest is not on this machine."""
        manifests = Manifests(self._settings.manifests_dir)
        if not manifests.has(pin.digest):
            raise NotFound(
                f"the manifest {pin.digest} of {pin.target} is not on this machine", hint="run the job again to list its input"
            )
        return manifests.items(pin.digest)

    def stop(self, text: str, reason: str) -> Job:
        """Ask for the end of a job; the process that runs it ends it within a second. Raises Conflict when it has ended."""
        job = self._store.find(text)
        for _ in range(_APPENDS_TRIED):
            if job.state is State.STOPPED:
                return job
            stopped, _ = decide(job, event := StopRequested(at=time.time(), reason=reason))
            with suppress(Conflict):
                self._store.append(job, stopped, event)
                return stopped
            # It goes on while this is asked: what has happened comes first.
            job = self._store.get(job.id)
        raise Conflict(f"job {job.id} changes too quickly to be stopped", hint="try again")

    def renew(self, job: Job, edition: int, reason: str) -> Job:
        """
        The job once more, as its next edition: with the spec of the given one, or of the latest for 0.

        Raises NotFound for an edition that there is not, Conflict when somebody else changes the job at the same time.
        """
        return self._remember(job, Renewed(at=time.time(), spec=edition_of(job, self.editions(job), edition), reason=reason))

    def editions(self, job: Job) -> dict[int, JobSpec]:
        """Every spec that the job had, by its number."""
        return editions_of(self._store.events(job.id))

    def nodes(self) -> Sequence[Node]:
        """The nodes that jobs run on."""
        return self._backend.nodes()

    def reasons_against(self, spec: JobSpec) -> list[str]:
        """Every reason against every node, when no node is left for the job."""
        return _placeless(self._placing(spec))

    def running(self) -> int:
        """How many executions of unfinished jobs live."""
        return sum(len(job.live) for job in self._store.unfinished())

    def results(self, job: Job, execution: Execution) -> Path:
        """The directory with what an ended execution left: stdout, stderr, exitCode, receipt.json, result paths."""
        return self._settings.results_of(job.id, execution.id)

    def _checked(self, spec: JobSpec) -> tuple[JobSpec, list[str]]:
        """The spec as it will be kept, or as it is when there are problems, and these."""
        problems = []
        if spec.type not in self._types:
            problems.append(f"Type: {spec.type!r} needs a server, which this version does not have: use batch or ops")
        publisher = spec.task.publisher
        if publisher.name not in _PUBLISHERS_HERE:
            problems.append(
                f"Tasks[0].Publisher.Type: {publisher.type!r} is not a publisher of this installation: "
                "use local (or none: results are kept here either way)"
            )
        try:
            return self._check_params(spec), problems
        except InvalidSpec as error:
            return spec, [*error.problems, *problems]

    def _placing(self, spec: JobSpec) -> Placing:
        nodes = self._backend.nodes()
        against = {node.id: reasons_against(node, spec) for node in nodes}
        return Placing(nodes, against, next((node for node in nodes if not against[node.id]), None))

    def _claim_of(self, job_id: str) -> Path:
        return self._settings.data_dir / "drivers" / job_id

    def _bury_the_abandoned(self) -> None:
        """End the jobs whose process is gone, so that no job is shown as running for ever."""
        for job in self._store.unfinished():
            if not job.attended:
                continue
            if job.state is State.QUEUED and time.time() - job.modified_at < _START_SECONDS:
                continue
            with self._hold(self._claim_of(job.id)) as free:
                if free:
                    self._bury(self._store.get(job.id))

    def _bury(self, job: Job) -> None:
        lost = Outcome(error=Failure(kind="NodeLost", message=_LEFT_BEHIND, hint="submit the job again"))
        for execution in job.live:
            job = self._remember(job, Ended(at=time.time(), execution_id=execution.id, outcome=lost))
        if not job.state.final:
            self._remember(job, StopRequested(at=time.time(), reason=_LEFT_BEHIND))

    def _remember(self, before: Job, event: Event) -> Job:
        job, _ = decide(before, event)
        self._store.append(before, job, event)
        return job


def _placeless(placing: Placing) -> list[str]:
    """Every reason against every node, when no node is left."""
    if placing.chosen is not None:
        return []
    if not placing.nodes:
        return ["no node: nothing runs jobs here while Compute.Enabled is false (`gadus config list` tells who says so)"]
    return [f"node {node_id}: {reason}" for node_id, reasons in placing.reasons_against.items() for reason in reasons]
