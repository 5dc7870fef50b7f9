"""Drives all jobs that are nobody's own: takes up what an earlier server left, accepts, stops, renews."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from gadus.contracts import Backend
from gadus.core.capacity import Amounts
from gadus.core.errors import Conflict, StorageUnavailable
from gadus.core.ids import new_uuid
from gadus.core.job import Job, Renewed, State, StopRequested, Submitted
from gadus.core.placement import Needs, Node
from gadus.core.spec import JobSpec
from gadus.watch.context import traceparent

from .background import Background
from .editions import edition_of, editions_of
from .following import Watcher
from .loop import Loop
from .placing import NeedsOf, Placing, Refusal
from .store import Store, Writer

Complete = Callable[[JobSpec], JobSpec]
"""A decoded spec as it will be kept. Raises InvalidSpec."""

_LOOK_SECONDS = 0.5
"""How often the store is asked what other processes changed."""


class Server:
    """The jobs of one store, as far as they run on the nodes of one backend."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        backend: Backend,
        needs_of: NeedsOf,
        needs_from: Callable[[str, str], Needs],
        refusal: Refusal,
        complete: Complete,
        watcher: Watcher,
        background: Background,
    ) -> None:
        """`needs_from` reads the needs that the store has as text, of a job of a type."""
        self._store = store
        self._backend = backend
        self._complete = complete
        self._needs_from = needs_from
        self._background = background
        self._placing = Placing(backend, needs_of, refusal, background)
        self._loop = Loop(store, writer, backend, self._placing, watcher, background)
        self._seen = 0

    def start(self) -> None:
        """Drive the jobs as long as there is the background. Then executions run on: the next server finds them again."""
        self._loop.start()
        self._take_up()
        self._background.start(self._look_for_changes())

    async def submit(self, spec: JobSpec, *, key: str = "", by_name: bool = False, force: bool = False) -> Job:
        """
        Accept a job, as it was decoded: it is on the disk when this returns.

        The same `key` again, in the same namespace, gives the job that it gave before. `by_name`: a job of the same name is
        renewed instead, unless nothing changed and `force` is not given. Raises InvalidSpec, Conflict, StorageUnavailable.
        """
        spec = self._complete(spec)
        if key and (known := self._store.submission(spec.namespace, key)):
            return self._loop.job(known)
        if by_name and spec.name and (job := self._store.latest_named(spec.namespace, spec.name)):
            return await self._update(self._loop.job(job.id), spec, force=force)
        event = Submitted(at=time.time(), job_id=f"j-{new_uuid()}", spec=spec, trace=traceparent.get())
        try:
            return await self._loop.submitted(event, key)
        except Conflict:
            # The same request came twice at once.
            if key and (known := self._store.submission(spec.namespace, key)):
                return self._loop.job(known)
            raise

    async def stop(self, job: Job, reason: str) -> Job:
        """The end of a job. Raises Conflict when it has ended."""
        if self._loop.job(job.id).state is State.STOPPED:
            return self._loop.job(job.id)
        return await self._loop.happened(job.id, StopRequested(at=time.time(), reason=reason))

    async def rerun(self, job: Job, *, edition: int = 0, reason: str = "") -> Job:
        """The job once more, as its next edition: with the spec of the given one, or of the latest. Raises NotFound."""
        spec = edition_of(job, self.editions(job), edition)
        return await self._loop.happened(job.id, Renewed(at=time.time(), spec=spec, reason=reason, trace=traceparent.get()))

    def editions(self, job: Job) -> dict[int, JobSpec]:
        """Every spec that the job had, by its number."""
        return editions_of(self._store.events(job.id))

    def job(self, job_id: str) -> Job:
        """The job as it is now. Raises NotFound."""
        return self._loop.job(job_id)

    def why_it_waits(self, job: Job) -> str:
        """Every node with its reason for not running what waits of the job; empty when nothing waits."""
        return self._placing.why_it_waits(job)

    @property
    def waiting(self) -> int:
        """How many executions wait for room."""
        return len(self._placing)

    def nodes(self) -> Sequence[tuple[Node, Amounts, int]]:
        """Each node, what is free of it, and how many executions run there."""
        return self._placing.nodes()

    @property
    def follows(self) -> int:
        """How many executions run."""
        return self._loop.follows

    async def _update(self, job: Job, spec: JobSpec, *, force: bool) -> Job:
        if job.spec == spec and not force:
            raise Conflict(
                f"no changes detected for new job spec. Job Name: '{job.spec.name}', Job Id: '{job.id}'",
                hint="use --force to run it again as it is",
            )
        return await self._loop.happened(job.id, Renewed(at=time.time(), spec=spec, trace=traceparent.get()))

    def _take_up(self) -> None:
        _, self._seen = self._store.changes(0, limit=0)
        known = set()
        for job in self._store.unfinished():
            known |= {execution.id for execution in job.live}
            if not job.attended:
                self._loop.resume(job)
        for row in self._store.waiting():
            self._loop.waits(row, self._needs_from(row.needs, row.type))
        for execution_id in self._backend.found():
            if execution_id not in known:
                self._loop.let_go(execution_id)

    async def _look_for_changes(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                changed, latest = self._store.changes(self._seen)
                for job_id in self._loop.own.left_of(changed):
                    await self._loop.changed_elsewhere(job_id)
            except StorageUnavailable:
                continue
            self._seen = latest
