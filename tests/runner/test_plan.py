"""Looking ahead: what each part has, in little memory, and what is left when it is given up."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gadus.config import Settings
from gadus.contracts import Found, Slot
from gadus.core.errors import InputUnreadable
from gadus.core.manifest import Item
from gadus.core.partition import InputParams
from gadus.core.plan import Amount, Placing, Plan
from gadus.core.spec import JobSpec
from gadus.engines.wasm import Engine, Params
from gadus.manifests import Manifests
from gadus.runner.cache import Cache
from gadus.runner.plan import Planner
from gadus.runner.share import Share, parts_of

LOCATION = "s3://bucket@http://somewhere"
INLINE = {"Source": {"Type": "inline", "Params": {"URL": "data:,x"}}}


def batches(number: int) -> Iterator[Found]:
    for start in range(0, number, 1000):
        items = [Item(f"p/{n:07}", f"{n:07}", n % 977, f"e{n}") for n in range(start, min(start + 1000, number))]
        yield Found(LOCATION, items)


class Endless:
    """A source whose listing begins and never ends; `begun` says that it did."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def resolve(self, params: InputParams) -> AsyncGenerator[Found]:
        yield Found(LOCATION, [Item("k", "k", 1, "e")])
        self.begun.set()
        await asyncio.Event().wait()


class Finite:
    """A source of 2500 objects."""

    async def resolve(self, params: InputParams) -> AsyncGenerator[Found]:
        for found in batches(2500):
            yield found

    async def check_access(self, params: InputParams) -> None: ...

    async def fetch(self, params: InputParams, slots: AsyncIterator[Slot]) -> None:
        raise AssertionError("a plan fetches nothing")


class Unreadable(Finite):
    """A source that may not be read."""

    async def resolve(self, params: InputParams) -> AsyncGenerator[Found]:
        raise InputUnreadable("no permission", hint="ask for it")
        yield  # pragma: no cover - what makes this a generator


class Node:
    """A planner over sources of the test's own."""

    def __init__(self, data_dir: Path, sources: dict[str, Any]) -> None:
        settings = Settings(data_dir)
        self.manifests = Manifests(settings.manifests_dir)
        cache = Cache(settings.cache_dir)
        self.planner = Planner(
            settings,
            cache,
            self.manifests,
            lambda name: (sources[name], InputParams),
            lambda _: (Engine(settings), Params),
        )

    async def plan(self, *inputs: str, count: int = 1, told: Any = lambda *_: None, **params: Any) -> Plan:
        sources = [{"Target": f"/{n}", "Source": {"Type": name, "Params": params}} for n, name in enumerate(inputs)]
        module = {"Source": {"Type": "finite", "Params": {}}}
        engine = {"Type": "wasm", "Params": {"EntryModule": module}}
        task = {"Name": "main", "Engine": engine, "InputSources": sources}
        spec = JobSpec.model_validate({"Type": "batch", "Count": count, "Tasks": [task]})
        return await self.planner.plan(spec, Placing(), (), told)


@pytest.mark.parametrize("rule", ["object", "bytes", "substring"])
def test_each_part_is_what_its_execution_would_select(rule: str) -> None:
    params = InputParams.model_validate({"Partition": {"Type": rule, "StartIndex": 5, "EndIndex": 9}})
    parts = parts_of(params, 7, batches(2500))
    for index, part in enumerate(parts):
        select = Share(params, index, 7).selection(lambda: batches(2500))
        mine = [item for found in batches(2500) for item in select(found).items]
        assert part == Amount(len(mine), sum(item.size_bytes for item in mine))
    assert sum(part.objects for part in parts) == 2500


@pytest.mark.parametrize("rule", ["object", "bytes"])
def test_parts_of_many_objects_need_little_memory(rule: str) -> None:
    params = InputParams.model_validate({"Partition": {"Type": rule}})
    tracemalloc.start()
    try:
        parts = parts_of(params, 100, batches(100_000))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(part.objects for part in parts) == 100_000
    # The objects themselves have some 30 MB.
    assert most < 12e6


async def test_input_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    plan = await Node(tmp_path, {"finite": Finite(), "unreadable": Unreadable()}).plan("finite", "unreadable", "finite")
    assert [one.pin.objects if one.pin else None for one in plan.inputs[:3]] == [2500, None, 2500]
    (problem,) = (failure for failure in plan.problems if failure.kind == "InputUnreadable")
    assert (problem.message, problem.hint) == ("/1: no permission", "ask for it")


async def test_same_objects_twice_are_fetched_once(tmp_path: Path) -> None:
    plan = await Node(tmp_path, {"finite": Finite()}).plan("finite", "finite")
    assert plan.to_fetch.objects == 2500


async def test_listing_is_told_as_it_goes_on(tmp_path: Path) -> None:
    told: list[int] = []
    await Node(tmp_path, {"finite": Finite()}).plan(told=lambda objects, _: told.append(objects))
    assert told == [1000, 1000, 500]


async def test_what_was_listed_is_remembered_for_the_run(tmp_path: Path) -> None:
    node = Node(tmp_path, {"finite": Finite()})
    plan = await node.plan("finite", count=3, Partition={"Type": "bytes"})
    digest = node.manifests.last({"type": "finite", "params": {"Partition": {"Type": "bytes"}}})
    assert plan.inputs[0].pin
    assert plan.inputs[0].pin.digest == digest
    assert sum(len(found.items) for found in node.manifests.read(digest)) == 2500
    assert len(plan.inputs[0].parts) == 3


async def test_cancelled_plan_leaves_no_draft(tmp_path: Path) -> None:
    endless = Endless()
    planning = asyncio.create_task(Node(tmp_path, {"endless": endless, "finite": Finite()}).plan("endless"))
    async with asyncio.timeout(10):
        await endless.begun.wait()
        planning.cancel()
        await asyncio.wait([planning])
    assert planning.cancelled()
    assert list((tmp_path / "manifests").glob("draft-*")) == []
