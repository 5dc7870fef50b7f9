"""Who runs where: what waits for room, what is taken on each node, and the next that fits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from gadus.contracts import Backend
from gadus.core.capacity import Amounts
from gadus.core.errors import Conflict, Rejected, StorageUnavailable
from gadus.core.job import Event, Execution, Job, Placed, Vacancy
from gadus.core.placement import Needs, Node, reasons_against, shortage
from gadus.core.spec import JobSpec
from gadus.core.waiting import Entry, Waiting

from .background import Background
from .pauses import Pauses
from .refusals import Refusals
from .room import Room, Taken

NeedsOf = Callable[[JobSpec], Needs]
Refusal = Callable[[Job, Node], Awaitable[str]]
"""Why a node's own policy does not let it run a job; empty when it does."""

_LOOK_AGAIN_SECONDS = 1.0
"""How often who waits is looked at without a cause: patience ends by itself."""
_STORE_PAUSE_SECONDS = 1.0
_REFUSED_PAUSE_SECONDS = 60.0
"""So long after a refusal the node is asked again: its policy looks at what may change."""
_BEHIND = "has room, but others come first"
_PAUSED = "has room; a pause before the next try is not over"


class Jobs(Protocol):
    """The part of the loop that placing needs."""

    async def happened(self, job_id: str, *events: Event) -> Job:
        """See `Loop.happened`."""

    def job(self, job_id: str) -> Job:
        """See `Loop.job`."""

    def held(self, job_id: str) -> Job | None:
        """See `Loop.held`."""

    async def unplaceable(self, job_id: str, message: str) -> None:
        """See `Loop.unplaceable`."""


class Placing:
    """The queue of one process, and the room on the nodes of its backend."""

    def __init__(self, backend: Backend, needs_of: NeedsOf, refusal: Refusal, background: Background) -> None:
        self._backend = backend
        self._needs_of = needs_of
        self._refusal = refusal
        self._background = background
        self._jobs: Jobs | None = None
        self._last_needs: tuple[JobSpec, Needs] | None = None
        self._last_reasons: tuple[Node, Needs, bool] | None = None
        self._waiting = Waiting()
        self._pauses = Pauses(self._enter_now)
        self._room = Room()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._withdrawn: set[str] = set()
        self._to_be_told: set[str] = set()
        self._refusals = Refusals()
        self._kicked = asyncio.Event()

    def attach(self, jobs: Jobs) -> None:
        """Whose jobs they are."""
        self._jobs = jobs

    def __len__(self) -> int:
        """How many executions wait for room."""
        return len(self._waiting)

    def add(self, job: Job, vacancy: Vacancy) -> None:
        """A vacancy waits from now on; one that waits already is left where it is."""
        self.enter(
            Entry(
                job_id=job.id,
                execution_id=vacancy.id,
                index=vacancy.index,
                needs=self._needs(job.spec),
                priority=job.spec.priority,
                since=vacancy.since,
                only_node=vacancy.node,
            ),
            not_before=vacancy.not_before,
        )

    def _needs(self, spec: JobSpec) -> Needs:
        """Asked for each part of a job, one after the other, and for jobs that are alike: there may be very many."""
        if self._last_needs is None:
            self._last_needs = (spec, self._needs_of(spec))
        elif self._last_needs[0] is not spec:
            needs, known = self._needs_of(spec), self._last_needs[1]
            self._last_needs = (spec, known if known == needs else needs)
        return self._last_needs[1]

    def enter(self, entry: Entry, *, not_before: float = 0.0, again: bool = False) -> None:
        """As `add`, of an entry that was made before; `again` when its job knows whether any node could run it."""
        execution_id = entry.execution_id
        if execution_id in self._pauses or execution_id in self._under_way or execution_id in self._waiting:
            return
        pause_seconds = not_before - time.time() if not_before else 0.0
        if pause_seconds > 0:
            self._pauses.begin(entry, pause_seconds)
        else:
            self._enter_now(entry, again=again)

    def withdraw(self, execution_id: str) -> None:
        """It waits no longer. One that is being placed at this moment finds out by itself."""
        self._pauses.give_up(execution_id)
        self._waiting.remove(execution_id)
        if execution_id in self._under_way:
            self._withdrawn.add(execution_id)

    def took(self, job: Job, execution: Execution) -> None:
        """The execution holds its room, from now or since before."""
        self._room.take(execution.id, Taken(execution.node, self._needs_of(job.spec).amounts, execution.gpus))

    def released(self, execution_id: str) -> None:
        """Its room is free."""
        if self._room.release(execution_id):
            self.kick()

    def kick(self) -> None:
        """Look who can be placed."""
        self._kicked.set()

    def matching(self, job: Job) -> Sequence[str]:
        """The nodes that could run the job, if they were idle."""
        needs = self._needs_of(job.spec)
        return [node.id for node in self._backend.nodes() if not reasons_against(node, needs)]

    def why_it_waits(self, job: Job) -> str:
        """Every node with its reason for not running what waits of the job; empty when nothing waits."""
        if not job.vacancies:
            return ""
        nodes = self._backend.nodes()
        paused = all(vacancy.id in self._pauses for vacancy in job.vacancies)
        return shortage(
            nodes,
            self._room.free(nodes),
            self._needs_of(job.spec),
            len(job.vacancies),
            refused=self._refusals.of(job.id),
            otherwise=_PAUSED if paused else _BEHIND,
        )

    def nodes(self) -> Sequence[tuple[Node, Amounts, int]]:
        """Each node, what is free of it, and how many executions hold room there."""
        nodes = self._backend.nodes()
        free, running = self._room.free(nodes), self._room.holders()
        return [(node, free[node.id], running[node.id]) for node in nodes]

    async def run(self) -> None:
        """Place whatever fits, for ever."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS if len(self._waiting) else None):
                    await self._kicked.wait()
            except TimeoutError:
                pass
            self._kicked.clear()
            self._place_all_that_fit()

    def _place_all_that_fit(self) -> None:
        nodes = self._backend.nodes()
        while len(self._waiting):
            found = self._waiting.next(nodes, self._room.free(nodes), self._already, time.time())
            if found is None:
                return
            entry, node_id = found
            self._waiting.remove(entry.execution_id)
            node = next(node for node in nodes if node.id == node_id)
            gpus = self._room.free_gpus(node)[: entry.needs.amounts.gpus]
            self._room.take(entry.execution_id, Taken(node_id, entry.needs.amounts, gpus))
            self._aside(entry.execution_id, self._place(entry, node))

    async def _place(self, entry: Entry, node: Node) -> None:
        assert self._jobs is not None
        if not self._still_waits(entry):
            self.released(entry.execution_id)
            return
        try:
            if reason := await self._refusal(self._jobs.job(entry.job_id), node):
                self.released(entry.execution_id)
                await self._refuse(entry, node, reason)
                return
            await self._jobs.happened(entry.job_id, self._placed(entry, node))
            self._refusals.lift(entry.job_id, node.id)
        except (Conflict, Rejected):
            # It waits no longer: stopped, or another server was quicker.
            self.released(entry.execution_id)
        except StorageUnavailable:
            self.released(entry.execution_id)
            self._under_way.pop(entry.execution_id, None)
            self.enter(entry, not_before=time.time() + _STORE_PAUSE_SECONDS)

    def _placed(self, entry: Entry, node: Node) -> Placed:
        gpus = self._room.gpus_of(entry.execution_id)
        return Placed(at=time.time(), execution_id=entry.execution_id, node=node.id, gpus=gpus)

    async def _refuse(self, entry: Entry, node: Node, reason: str) -> None:
        """The node's own policy is against it: it waits on for others, and after a while for this one, too."""
        assert self._jobs is not None
        if not self._still_waits(entry):
            return
        self._refusals.note(entry.job_id, node.id, reason)
        turned_away = replace(entry, but_not=entry.but_not | {node.id})
        if all(self._never(one, turned_away) for one in self._backend.nodes()):
            await self._jobs.unplaceable(entry.job_id, self.why_it_waits(self._jobs.job(entry.job_id)))
            if not self._still_waits(entry):
                return
        self._under_way.pop(entry.execution_id, None)
        self.enter(turned_away, again=True)
        asyncio.get_running_loop().call_later(_REFUSED_PAUSE_SECONDS, self._ask_again, turned_away)

    def _still_waits(self, entry: Entry) -> bool:
        return entry.execution_id not in self._withdrawn

    def _ask_again(self, turned_away: Entry) -> None:
        """Every node may be asked again, if it still waits."""
        if turned_away.execution_id in self._waiting:
            self._waiting.remove(turned_away.execution_id)
            self._enter_now(replace(turned_away, but_not=frozenset()), again=True)

    def _enter_now(self, entry: Entry, *, again: bool = False) -> None:
        self._waiting.add(entry)
        nodes = self._backend.nodes()
        # An installation without a node waits for one to come.
        if nodes and not again and all(self._never(node, entry) for node in nodes):
            self._tell_unplaceable(entry, nodes)
        self.kick()

    def _never(self, node: Node, entry: Entry) -> bool:
        if node.id in entry.but_not or (entry.only_node and entry.only_node != node.id):
            return True
        if self._last_reasons is None or self._last_reasons[0] is not node or self._last_reasons[1] is not entry.needs:
            self._last_reasons = (node, entry.needs, bool(reasons_against(node, entry.needs)))
        return self._last_reasons[2]

    def _tell_unplaceable(self, entry: Entry, nodes: Sequence[Node]) -> None:
        # A job is told once of all that it waits for: of a hundred thousand executions each would wait for its turn.
        if entry.job_id not in self._to_be_told:
            self._to_be_told.add(entry.job_id)
            message = shortage(nodes, self._room.free(nodes), entry.needs, 1)
            self._aside(f"{entry.execution_id} is told", self._told(entry.job_id, message))

    async def _told(self, job_id: str, message: str) -> None:
        assert self._jobs is not None
        # What begins to wait from now on may be news to the job.
        self._to_be_told.discard(job_id)
        await self._jobs.unplaceable(job_id, message)

    def _aside(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._background.start(work)
        self._under_way[name] = task
        task.add_done_callback(lambda ended: self._no_longer_under_way(name, ended))

    def _no_longer_under_way(self, name: str, ended: asyncio.Task[None]) -> None:
        # Who was refused may be on its way to the next node before this is called.
        if self._under_way.get(name) is ended:
            del self._under_way[name]
            self._withdrawn.discard(name)

    def _already(self, job_id: str) -> Mapping[str, int]:
        """How many executions of the job live on each node."""
        assert self._jobs is not None
        job = self._jobs.held(job_id)
        return Counter(execution.node for execution in job.live) if job else {}
