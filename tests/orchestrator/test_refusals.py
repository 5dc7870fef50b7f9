"""Who is refused by the policy of a node waits on: for other nodes, and after a while for that one again."""

from __future__ import annotations

import pytest
from driving import spec
from several import Machines, Policies, serving, until, waits_because, where

from gadus.config import Settings
from gadus.core.job import State
from gadus.orchestrator import placing


@pytest.fixture
def asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_REFUSED_PAUSE_SECONDS", 0.0)


async def test_job_that_one_node_refuses_runs_on_another(settings: Settings) -> None:
    machines, policies = Machines(settings, "a", "b"), Policies(a="not here")
    async with serving(settings, machines, policies) as server:
        job = await until(server, await server.submit(spec("return", count=4)), State.COMPLETED, State.FAILED)
    assert job.state is State.COMPLETED
    assert where(job) == [("b", index) for index in range(4)]


async def test_refused_job_waits_for_a_node_that_is_busy_and_is_told_both_reasons(settings: Settings) -> None:
    machines, policies = Machines(settings, "a", "b"), Policies(a="not here")
    async with serving(settings, machines, policies) as server:
        first = await server.submit(spec("forever"))
        await until(server, first, State.RUNNING)
        second = await server.submit(spec("return"))
        why = await waits_because(server, second, "not here")
        await server.stop(first, "")
        ended = await until(server, second, State.COMPLETED, State.FAILED)
        assert (ended.state, where(ended)) == (State.COMPLETED, [("b", 0)])
        assert server.why_it_waits(server.job(second.id)) == ""
    assert why.splitlines() == [
        "not enough nodes to run job. requested: 1, available: 2, suitable: 0.",
        "• Node a: not here",
        "• Node b: node busy: needs CPU 1, free 0",
    ]


async def test_node_that_changes_its_mind_gets_the_job(settings: Settings, asked_again_at_once: None) -> None:
    machines, policies = Machines(settings, "a", "b"), Policies(a="not yet")
    async with serving(settings, machines, policies) as server:
        first = await until(server, await server.submit(spec("forever")), State.RUNNING)
        second = await server.submit(spec("return"))
        await waits_because(server, second, "not yet")
        policies.reasons.clear()
        second = await until(server, second, State.COMPLETED, State.FAILED)
    assert (where(first), where(second)) == ([("b", 0)], [("a", 0)])


async def test_job_that_every_node_refuses_fails_at_once_with_all_reasons(settings: Settings) -> None:
    machines, policies = Machines(settings, "a", "b"), Policies(a="not here", b="nor here")
    async with serving(settings, machines, policies) as server:
        job = await until(server, await server.submit(spec("return", count=8)), State.FAILED, State.COMPLETED)
        assert server.waiting == 0
    assert job.state is State.FAILED
    assert job.message.splitlines()[1:] == ["• Node a: not here", "• Node b: nor here"]
    assert where(job) == []


async def test_job_that_has_time_is_taken_when_a_node_changes_its_mind(settings: Settings, asked_again_at_once: None) -> None:
    machines, policies = Machines(settings, "a"), Policies(a="not yet")
    async with serving(settings, machines, policies) as server:
        job = await server.submit(spec("return", count=2, Timeouts={"QueueTimeout": 3600}))
        await waits_because(server, job, "not yet")
        policies.reasons.clear()
        job = await until(server, job, State.COMPLETED, State.FAILED)
    assert job.state is State.COMPLETED
    assert where(job) == [("a", 0), ("a", 1)]


async def test_refused_job_that_is_stopped_is_asked_about_no_more(settings: Settings, asked_again_at_once: None) -> None:
    machines, policies = Machines(settings, "a"), Policies(a="never")
    async with serving(settings, machines, policies) as server:
        job = await server.submit(spec("return", count=2, Timeouts={"QueueTimeout": 3600}))
        await waits_because(server, job, "never")
        await server.stop(job, "")
        policies.asked.clear()
        # Another job goes through all that the first might still have brought.
        policies.reasons.clear()
        await until(server, await server.submit(spec("return")), State.COMPLETED)
        assert server.waiting == 0
        assert where(server.job(job.id)) == []
    assert policies.asked == ["a"]
