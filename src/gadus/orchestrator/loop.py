"""
Drives jobs: decide, remember, act. In that order, so that a crash between two loses nothing.

    happened(job, event) ─▶ core.lifecycle.decide ─▶ Writer ─▶ actions: Place, Withdraw ─▶ Placing ─Placed─┐
                ▲                                                       Watch, Stop ─▶ Backend ──────Ended─┤
                └──────────────────────────────────────────────────────────────────────────────────────────┘

Every event of a job goes through `happened`, one after the other; jobs do not wait for each other. Whole jobs are kept in
memory only while something of them runs: what waits is an entry of the queue, and the store has the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext

from gadus.contracts import Backend
from gadus.core.errors import Bug, Conflict, StorageUnavailable
from gadus.core.job import (
    Action,
    Event,
    Expired,
    Job,
    Match,
    Matched,
    Place,
    Renewed,
    Stop,
    Submitted,
    Unplaceable,
    Watch,
    Withdraw,
)
from gadus.core.lifecycle import deadline, decide, due, resume
from gadus.core.placement import Needs
from gadus.core.waiting import Entry
from gadus.threads import finished

from .background import Background
from .following import Following, Watcher
from .held import Held
from .own import Own
from .placing import Placing
from .store import Store, Waiting, Writer
from .timers import Timers
from .turns import Turns

_APPENDS_TRIED = 20
_STORE_PAUSES_SECONDS = (0.2, 1.0, 3.0, 10.0)
_MANY = 2000
"""Executions; to decide what becomes of as many takes longer than others should wait."""
_ACTIONS_AT_ONCE = 500


class Loop:
    """All jobs that one process drives. Used from one event loop."""

    def __init__(
        self, store: Store, writer: Writer, backend: Backend, placing: Placing, watcher: Watcher, background: Background
    ) -> None:
        self._store = store
        self._writer = writer
        self._backend = backend
        self._placing = placing
        self._watcher = watcher
        self._timers = Timers(self._time_is_up)
        self._held = Held()
        self._turns = Turns()
        self._background = background
        self._following: dict[str, asyncio.Task[None]] = {}
        self.own = Own()

    def start(self) -> None:
        """Place and follow, as long as there is the background; then all is left as the backend leaves what nobody follows."""
        self._placing.attach(self)
        for service in (self._placing.run(), self._timers.run(), self._match_those_that_join()):
            self._background.start(service)

    async def submitted(self, event: Submitted, key: str = "") -> Job:
        """Accept a job: it is on the disk when this returns. Raises Conflict for a known key, StorageUnavailable."""
        # Nobody else has a turn before all is done for it, unless it is a large job, for which others are let in between.
        async with self._turns.of(event.job_id) if event.spec.count > _ACTIONS_AT_ONCE else nullcontext():
            job, actions = await _folded(None, [event])
            with self.own.giving(job):
                await self._writer.append(None, job, event, key=key)
            self._now_is(job)
            self._told(None, job, event)
            await self._act_in_turn(job, actions)
        return job

    async def happened(self, job_id: str, *events: Event) -> Job:
        """
        Decide and remember; what another process remembered in between is taken in first.

        Raises Conflict of `decide`, NotFound, StorageUnavailable: then nothing is remembered, and nothing done.
        """
        async with self._turns.of(job_id):
            for _ in range(_APPENDS_TRIED):
                before = self._held.get(job_id) or self._store.get(job_id)
                job, actions = await _folded(before, events)
                try:
                    with self.own.giving(job):
                        await self._writer.append(before, job, *events)
                except Conflict:
                    await self._take_in(self._store.get(job_id))
                    continue
                self._now_is(job)
                self._told(before, job, *events)
                await self._act_in_turn(job, actions)
                if _over(job) and not _over(before):
                    self._background.start(self._backend.over(job_id))
                return job
        raise Bug(f"job {job_id} was changed by others {_APPENDS_TRIED} times in a row")

    async def happened_for_sure(self, job_id: str, *events: Event) -> Job:
        """As `happened`, and waits for a store that is out of order: it has happened, whether it can be kept now or not."""
        for attempt in range(1 << 30):
            try:
                return await self.happened(job_id, *events)
            except StorageUnavailable:
                await asyncio.sleep(_STORE_PAUSES_SECONDS[min(attempt, len(_STORE_PAUSES_SECONDS) - 1)])
        raise Bug("unreachable")

    def resume(self, job: Job) -> None:
        """Take up a job that an earlier process drove, as the store has it."""
        self._now_is(job)
        self._act(job, resume(job))

    def waits(self, row: Waiting, needs: Needs) -> None:
        """Take up a job of which nothing was placed yet, without reading it."""
        self._timers.set(row.job_id, row.deadline)
        for vacancy in row.vacancies:
            entry = Entry(row.job_id, vacancy.id, vacancy.index, needs, row.priority, vacancy.since, vacancy.node)
            self._placing.enter(entry, not_before=vacancy.not_before, again=True)

    def let_go(self, execution_id: str) -> None:
        """End and forget an execution that no job knows."""
        self._background.start(self._stranger_gone(execution_id))

    async def changed_elsewhere(self, job_id: str) -> None:
        """Take in what another process made of a job, if one did. An attended job is its own process's alone."""
        async with self._turns.of(job_id):
            held, job = self._held.get(job_id), self._store.get(job_id)
            if (held or not job.attended) and (held is None or held.version < job.version):
                await self._take_in(job)

    def job(self, job_id: str) -> Job:
        """The job as it is now. Raises NotFound."""
        return self._held.get(job_id) or self._store.get(job_id)

    async def _job_for_sure(self, job_id: str) -> Job:
        """The job as it is now, as soon as the store can say."""
        while True:
            try:
                return self.job(job_id)
            except StorageUnavailable:
                await asyncio.sleep(_STORE_PAUSES_SECONDS[-1])

    def held(self, job_id: str) -> Job | None:
        """The job, if something of it runs or ran just now."""
        return self._held.get(job_id)

    async def end(self, execution_id: str) -> None:
        """Ask its node to end an execution, whatever the job says of it."""
        await self._backend.stop(execution_id)

    def _ended_with(self, execution_id: str) -> None:
        """The execution is followed no more: its place is free."""
        self._following.pop(execution_id, None)
        self._placing.released(execution_id)

    async def until_nothing_runs(self) -> None:
        """Wait for the ends of all that is followed."""
        while self._following:
            await asyncio.wait(list(self._following.values()))

    @property
    def follows(self) -> int:
        """How many executions are followed now."""
        return len(self._following)

    async def _stranger_gone(self, execution_id: str) -> None:
        await self._backend.stop(execution_id)
        await self._backend.forget(execution_id)

    async def _act_in_turn(self, job: Job, actions: Sequence[Action]) -> None:
        """Others have a turn now and then: a job of a hundred thousand executions must not keep them waiting."""
        for start in range(0, len(actions), _ACTIONS_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            self._act(job, actions[start : start + _ACTIONS_AT_ONCE])

    def _act(self, job: Job, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Place():
                    self._placing.add(job, action.vacancy)
                case Withdraw():
                    self._placing.withdraw(action.execution_id)
                case Watch():
                    self._follow(job, action.execution_id)
                case Stop():
                    self._background.start(self._backend.stop(action.execution_id))
                case Match():
                    self._background.start(self._match(job.id))

    def _follow(self, job: Job, execution_id: str) -> None:
        execution = next(one for one in job.executions if one.id == execution_id)
        if execution_id in self._following or all(node.id != execution.node for node in self._backend.nodes()):
            return
        self._placing.took(job, execution)
        task = self._background.start(Following(self, self._backend, self._watcher, job, execution).run())
        task.add_done_callback(lambda _: self._ended_with(execution_id))
        self._following[execution_id] = task

    async def _match(self, job_id: str) -> None:
        job = await self._job_for_sure(job_id)
        nodes = tuple(self._placing.matching(job))
        if not job.state.final and (job.spec.type == "ops" or set(nodes) - set(job.nodes)):
            await self.happened_for_sure(job_id, Matched(at=time.time(), edition=job.edition, nodes=nodes))

    async def _match_those_that_join(self) -> None:
        while True:
            await self._backend.joined()
            self._placing.kick()
            for job in self._held.all():
                if any(isinstance(action, Match) for action in resume(job)):
                    await self._match(job.id)

    async def unplaceable(self, job_id: str, message: str) -> None:
        """No node there is could run what waits of the job."""
        job = await self._job_for_sure(job_id)
        if not job.state.final and job.message != message:
            await self.happened_for_sure(job_id, Unplaceable(at=time.time(), edition=job.edition, message=message))

    async def _time_is_up(self, job_id: str, at: float) -> None:
        job = await self._job_for_sure(job_id)
        limit = due(job, at) if deadline(job) == at else None
        if limit is not None:
            await self.happened_for_sure(
                job_id, Expired(at=max(time.time(), at), limit=limit, message=self._placing.why_it_waits(job))
            )

    async def _take_in(self, job: Job) -> None:
        known = self._held.get(job.id)
        now_waiting = {vacancy.id for vacancy in job.vacancies}
        for vacancy in known.vacancies if known else ():
            if vacancy.id not in now_waiting:
                self._placing.withdraw(vacancy.id)
        self._now_is(job)
        self._watcher.changed(job)
        await self._act_in_turn(job, resume(job))

    def _told(self, before: Job | None, job: Job, *events: Event) -> None:
        self._watcher.changed(job)
        self._watcher.happened(before, job, events)

    def _now_is(self, job: Job) -> None:
        self._held.put(job)
        self._timers.set(job.id, deadline(job))


async def _folded(before: Job | None, events: Sequence[Event]) -> tuple[Job, list[Action]]:
    """What becomes of the job, and what is to be done; in a thread when it has or gets very many executions."""
    size = len(before.vacancies) + len(before.executions) if before else 0
    size += max((event.spec.count for event in events if isinstance(event, Submitted | Renewed)), default=0)
    return await finished(_folded_now, before, events) if size > _MANY else _folded_now(before, events)


def _folded_now(job: Job | None, events: Sequence[Event]) -> tuple[Job, list[Action]]:
    actions: list[Action] = []
    for event in events:
        job, more = decide(job, event)
        actions += more
    assert job is not None
    return job, actions


def _over(job: Job) -> bool:
    """Whether nothing of the job runs, or ever will: one that was stopped may still have executions that are ending."""
    return job.state.final and not job.live
