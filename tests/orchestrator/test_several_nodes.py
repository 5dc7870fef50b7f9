"""Jobs on several nodes: spread, on every one that matches, and on those that join later."""

from __future__ import annotations

from typing import Any

from driving import spec
from several import Machines, eventually, serving, until, where

from gadus.config import Settings
from gadus.core.job import Job, State
from gadus.core.spec import JobSpec
from gadus.orchestrator.server import Server


def of_type(kind: str, *arguments: str, **fields: Any) -> JobSpec:
    """A job of another type than batch."""
    document = spec(*arguments).model_dump(by_alias=True, mode="json") | {"Type": kind, **fields}
    return JobSpec.model_validate(document)


def zone(*names: str) -> dict[str, Any]:
    return {"Constraints": [{"Key": "zone", "Operator": "in", "Values": list(names)}]}


async def stopped(server: Server, job: Job) -> None:
    await server.stop(job, "")
    await eventually(lambda: not server.job(job.id).live)


async def test_executions_of_a_job_are_spread_and_share_a_node_only_when_there_is_no_other(settings: Settings) -> None:
    machines = Machines(settings, "a", "b")
    async with serving(settings, machines) as server:
        job = await server.submit(spec("forever", count=2, Resources={"CPU": "0.5"}))
        await eventually(lambda: len(server.job(job.id).live) == 2)
        more = await server.submit(spec("forever", count=2, Resources={"CPU": "0.5"}))
        await eventually(lambda: len(server.job(more.id).live) == 2)
        assert {node for node, _ in where(server.job(job.id))} == {"a", "b"}
        assert {node for node, _ in where(server.job(more.id))} == {"a", "b"}
        await stopped(server, job)
        await stopped(server, more)


async def test_count_may_be_larger_than_the_number_of_nodes(settings: Settings) -> None:
    async with serving(settings, Machines(settings, "a", "b")) as server:
        job = await until(server, await server.submit(spec("return", count=6)), State.COMPLETED, State.FAILED)
    assert job.state is State.COMPLETED
    assert sorted(index for _, index in where(job)) == [0, 1, 2, 3, 4, 5]


async def test_ops_job_runs_once_on_every_node_that_matches_and_on_no_other(settings: Settings) -> None:
    machines = Machines(settings)
    for name, where_it_is in (("a", "east"), ("b", "west"), ("c", "east")):
        machines.join(name, zone=where_it_is)
    async with serving(settings, machines) as server:
        asked = of_type("ops", "environment", **zone("east"))
        job = await until(server, await server.submit(asked), State.COMPLETED, State.FAILED)
    assert (job.state, where(job)) == (State.COMPLETED, [("a", 0), ("c", 1)])
    for one in job.executions:
        # Each has the whole of every input, whatever the number of its node.
        said = (settings.results_of(job.id, one.id) / "stdout").read_text()
        assert "GADUS_PARTITION_INDEX=0\n" in said
        assert "GADUS_PARTITION_COUNT=1\n" in said


async def test_daemon_runs_on_every_node_that_matches_also_on_those_that_join_later(settings: Settings) -> None:
    machines = Machines(settings)
    machines.join("a", zone="east")
    async with serving(settings, machines) as server:
        job = await server.submit(of_type("daemon", "forever", **zone("east")))
        await eventually(lambda: where(server.job(job.id)) == [("a", 0)])
        machines.join("b", zone="west")
        machines.join("c", zone="east")
        await eventually(lambda: where(server.job(job.id)) == [("a", 0), ("c", 1)])
        await stopped(server, job)


async def test_job_that_waits_for_a_node_begins_when_it_joins(settings: Settings) -> None:
    machines = Machines(settings, "a")
    waiting = spec("return", Timeouts={"QueueTimeout": 3600}).model_copy(
        update={"constraints": of_type("ops", **zone("east")).constraints}
    )
    async with serving(settings, machines) as server:
        job = await server.submit(waiting)
        await eventually(lambda: "Node a: " in server.job(job.id).message)
        machines.join("b", zone="east")
        job = await until(server, job, State.COMPLETED, State.FAILED)
    assert (job.state, where(job)) == (State.COMPLETED, [("b", 0)])
