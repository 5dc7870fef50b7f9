"""Who is refused by the policy of a node waits on: for other nodes, and after a while for that one again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from driving import spec

from gadus.contracts import Reporter
from gadus.core.capacity import Amounts
from gadus.core.job import Execution, Job, Outcome, State
from gadus.core.lifecycle import deadline
from gadus.core.placement import Needs, Node, needs_of
from gadus.core.spec import JobSpec
from gadus.orchestrator import placing
from gadus.orchestrator.following import Unwatched
from gadus.orchestrator.server import Server
from gadus.orchestrator.store import Writer, open_store

CORE = Amounts(cpu_cores=1.0)
GIB = 2**30


class Nodes:
    """A backend of nodes with one core each, whose executions end when they are told to."""

    def __init__(self, *names: str) -> None:
        self._nodes = [Node(name, 1.0, GIB, GIB) for name in names]
        self.may_end = asyncio.Event()
        self.ran: list[tuple[str, int]] = []

    def nodes(self) -> Sequence[Node]:
        return self._nodes

    async def joined(self) -> None:
        await asyncio.Event().wait()

    async def run(self, job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        self.ran.append((execution.node, execution.index))
        await self.may_end.wait()
        return Outcome(exit_code=0)

    async def stop(self, execution_id: str) -> None:
        self.may_end.set()

    async def forget(self, execution_id: str) -> None:
        pass

    async def over(self, job_id: str) -> None:
        pass

    def found(self) -> Sequence[str]:
        return ()


class Policies:
    """The reasons of nodes, which may change, and who was asked."""

    def __init__(self, **reasons: str) -> None:
        self.reasons = reasons
        self.asked: list[str] = []

    async def __call__(self, job: Job, node: Node) -> str:
        self.asked.append(node.id)
        return self.reasons.get(node.id, "")


def needs(job_spec: JobSpec) -> Needs:
    return needs_of(job_spec, CORE)


@asynccontextmanager
async def serving(tmp_path: Path, backend: Nodes, policies: Policies) -> AsyncIterator[Server]:
    def needs_text(one: JobSpec) -> str:
        return needs(one).to_json()

    with open_store(tmp_path / "jobs.db", needs=needs_text, deadline=deadline) as store, Writer(store) as writer:
        server = Server(store, writer, backend, needs, Needs.from_json, policies, lambda one: one, Unwatched())
        async with server.running():
            yield server
            # A defect of the driving itself must not look like a job that waits.
            assert not server.failure.done(), server.failure.exception()


async def eventually(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.01)


async def until(server: Server, job: Job, *states: State) -> Job:
    await eventually(lambda: server.job(job.id).state in states)
    return server.job(job.id)


async def waits_because(server: Server, job: Job, reason: str) -> str:
    await eventually(lambda: reason in server.why_it_waits(server.job(job.id)))
    return server.why_it_waits(server.job(job.id))


@pytest.fixture
def asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_REFUSED_PAUSE_SECONDS", 0.0)


async def test_job_that_one_node_refuses_runs_on_another(tmp_path: Path) -> None:
    backend, policies = Nodes("a", "b"), Policies(a="not here")
    backend.may_end.set()
    async with serving(tmp_path, backend, policies) as server:
        job = await until(server, await server.submit(spec("return", count=4)), State.COMPLETED, State.FAILED)
    assert job.state is State.COMPLETED
    assert sorted(backend.ran) == [("b", index) for index in range(4)]


async def test_refused_job_waits_for_a_node_that_is_busy_and_is_told_both_reasons(tmp_path: Path) -> None:
    backend, policies = Nodes("a", "b"), Policies(a="not here")
    async with serving(tmp_path, backend, policies) as server:
        first = await server.submit(spec("return"))
        await until(server, first, State.RUNNING)
        second = await server.submit(spec("return"))
        why = await waits_because(server, second, "not here")
        backend.may_end.set()
        assert (await until(server, second, State.COMPLETED, State.FAILED)).state is State.COMPLETED
        assert server.why_it_waits(server.job(second.id)) == ""
    assert why.splitlines() == [
        "not enough nodes to run job. requested: 1, available: 2, suitable: 0.",
        "• Node a: not here",
        "• Node b: node busy: needs CPU 1, free 0",
    ]
    assert [node for node, _ in backend.ran] == ["b", "b"]


async def test_node_that_changes_its_mind_gets_the_job(tmp_path: Path, asked_again_at_once: None) -> None:
    backend, policies = Nodes("a", "b"), Policies(a="not yet")
    async with serving(tmp_path, backend, policies) as server:
        await until(server, await server.submit(spec("return")), State.RUNNING)
        second = await server.submit(spec("return"))
        await waits_because(server, second, "not yet")
        policies.reasons.clear()
        await until(server, second, State.RUNNING)
        backend.may_end.set()
        await until(server, second, State.COMPLETED)
    assert [node for node, _ in backend.ran] == ["b", "a"]


async def test_job_that_every_node_refuses_fails_at_once_with_all_reasons(tmp_path: Path) -> None:
    backend, policies = Nodes("a", "b"), Policies(a="not here", b="nor here")
    async with serving(tmp_path, backend, policies) as server:
        job = await until(server, await server.submit(spec("return", count=8)), State.FAILED, State.COMPLETED)
        assert server.waiting == 0
    assert job.state is State.FAILED
    assert job.message.splitlines()[1:] == ["• Node a: not here", "• Node b: nor here"]
    assert backend.ran == []


async def test_job_that_has_time_is_taken_when_a_node_changes_its_mind(tmp_path: Path, asked_again_at_once: None) -> None:
    backend, policies = Nodes("a"), Policies(a="not yet")
    backend.may_end.set()
    async with serving(tmp_path, backend, policies) as server:
        job = await server.submit(spec("return", count=2, Timeouts={"QueueTimeout": 3600}))
        await waits_because(server, job, "not yet")
        policies.reasons.clear()
        job = await until(server, job, State.COMPLETED, State.FAILED)
    assert job.state is State.COMPLETED
    assert sorted(backend.ran) == [("a", 0), ("a", 1)]


async def test_refused_job_that_is_stopped_is_asked_about_no_more(tmp_path: Path, asked_again_at_once: None) -> None:
    backend, policies = Nodes("a"), Policies(a="never")
    async with serving(tmp_path, backend, policies) as server:
        job = await server.submit(spec("return", count=2, Timeouts={"QueueTimeout": 3600}))
        await waits_because(server, job, "never")
        await server.stop(job, "")
        policies.asked.clear()
        # Another job goes through all that the first might still have brought.
        policies.reasons.clear()
        backend.may_end.set()
        await until(server, await server.submit(spec("return")), State.COMPLETED)
        assert server.waiting == 0
    assert policies.asked == ["a"]
    assert [index for _, index in backend.ran] == [0]
