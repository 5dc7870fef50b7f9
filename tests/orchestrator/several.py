"""Parts of tests with several nodes: a real server, whose nodes are all this machine and run real programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gadus.backends import inline
from gadus.config import Settings
from gadus.core.capacity import Amounts
from gadus.core.job import Job, State
from gadus.core.lifecycle import deadline
from gadus.core.nodes import Needs, Node, needs_of
from gadus.core.spec import JobSpec
from gadus.orchestrator.background import Background
from gadus.orchestrator.following import Unwatched
from gadus.orchestrator.server import Server
from gadus.orchestrator.store import Writer, open_store
from gadus.wiring import Parts

CORE = Amounts(cpu_cores=1.0)
GIB = 2**30
SECONDS = 30


class Machines(inline.Backend):
    """Nodes of one core each, that may join."""

    def __init__(self, settings: Settings, *names: str) -> None:
        parts = Parts(settings)
        super().__init__(lambda: list(self.there), parts.execute, parts.forget_job)
        self.check = parts.checked
        self.there = [node(name) for name in names]
        self._news = asyncio.Event()

    def join(self, name: str, **labels: str) -> None:
        self.there = [*self.there, node(name, **labels)]
        self._news.set()

    async def joined(self) -> None:
        self._news.clear()
        await self._news.wait()


def node(name: str, **labels: str) -> Node:
    return Node(name, 1.0, GIB, GIB, labels={"name": name, **labels})


class Policies:
    """The reasons of nodes, which may change, and who was asked."""

    def __init__(self, **reasons: str) -> None:
        self.reasons = reasons
        self.asked: list[str] = []

    async def __call__(self, job: Job, node: Node) -> str:
        self.asked.append(node.id)
        return self.reasons.get(node.id, "")


@asynccontextmanager
async def serving(settings: Settings, machines: Machines, policies: Policies | None = None) -> AsyncIterator[Server]:
    """The server drives jobs while the block lasts; what still runs is ended at its end."""

    def needs(one: JobSpec) -> Needs:
        return needs_of(one, CORE)

    def needs_text(one: JobSpec) -> str:
        return needs(one).to_json()

    with open_store(settings.store_path, needs=needs_text, deadline=deadline) as store, Writer(store) as writer:
        asked = policies or Policies()
        async with Background() as background:
            server = Server(store, writer, machines, needs, Needs.from_json, asked, machines.check, Unwatched(), background)
            server.start()
            yield server
            # A defect of the driving itself must not look like a job that waits.
            assert not background.failure.done(), background.failure.exception()


async def eventually(look: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.01)


async def until(server: Server, job: Job, *states: State) -> Job:
    await eventually(lambda: server.job(job.id).state in states)
    return server.job(job.id)


async def waits_because(server: Server, job: Job, reason: str) -> str:
    await eventually(lambda: reason in server.why_it_waits(server.job(job.id)))
    return server.why_it_waits(server.job(job.id))


def where(job: Job) -> list[tuple[str, int]]:
    """The node and index of each execution."""
    return sorted((one.node, one.index) for one in job.executions)
