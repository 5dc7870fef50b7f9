"""A tree of the cache while it fills: more is being found, many fetch at once, and each object comes once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import LOCATION, Fetching, Told, bodies, body_of, claimed, content_of, grow, item, items, partials_in

from gadus.contracts import Found, Slot
from gadus.core.errors import StorageUnavailable
from gadus.runner.cache import Cache


async def test_objects_are_fetched_while_more_is_being_found(cache: Cache) -> None:
    """The second page comes only when the object of the first is whole."""
    is_whole = asyncio.Event()

    async def found() -> AsyncIterator[Found]:
        yield Found(LOCATION, [item("first")])
        await is_whole.wait()
        yield Found(LOCATION, [item("second")])

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        async for slot in slots:
            Fetching().fill(slot)
            is_whole.set()

    with ExitStack() as leases:
        tree = await cache.grow(found(), name=lambda: "t", fetch=fetch, report=Told(), leases=leases)
        assert tree.fetched_objects == 2


async def test_what_is_found_waits_for_those_who_fetch(cache: Cache) -> None:
    pages = 0

    async def found() -> AsyncIterator[Found]:
        nonlocal pages
        for number in range(100):
            pages += 1
            yield Found(LOCATION, [item(f"{number}-{one}") for one in range(100)])

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        taken = 0
        async for slot in slots:
            await asyncio.sleep(0)
            Fetching().fill(slot)
            taken += 1
            assert pages <= taken // 100 + 5

    with ExitStack() as leases:
        tree = await cache.grow(found(), name=lambda: "t", fetch=fetch, report=Told(), leases=leases)
        assert tree.objects == 10_000


async def test_the_name_is_asked_when_everything_was_found(cache: Cache) -> None:
    at_end: list[str] = []

    async def found() -> AsyncIterator[Found]:
        yield Found(LOCATION, items(3))
        at_end.append("name-at-end")

    with ExitStack() as leases:
        tree = await cache.grow(found(), name=lambda: at_end[0], fetch=Fetching(), report=Told(), leases=leases)
    assert tree.record.parent.name == "name-at-end"


async def test_several_tasks_and_threads_fill_slots_at_once(cache: Cache) -> None:
    wanted, fetching = items(500), Fetching()

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(fetching(slots))

    tree = await grow(cache, wanted, fetch, page=90)
    assert sorted(fetching.fetched) == sorted(one.key for one in wanted)
    assert content_of(tree.path) == bodies(wanted)
    assert (tree.fetched_objects, tree.fetched_bytes) == (500, 50_000)


async def test_a_task_that_is_cancelled_while_it_waits_for_a_slot_takes_none_away(cache: Cache) -> None:
    go_on = asyncio.Event()

    async def found() -> AsyncIterator[Found]:
        yield Found(LOCATION, items(1))
        await go_on.wait()
        yield Found(LOCATION, items(3)[1:])

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        Fetching().fill(await anext(slots))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(slots)
        go_on.set()
        await Fetching()(slots)

    with ExitStack() as leases:
        tree = await cache.grow(found(), name=lambda: "t", fetch=fetch, report=Told(), leases=leases)
        assert tree.fetched_objects == 3


async def test_many_at_once_share_each_object(cache: Cache) -> None:
    """Eight trees of overlapping objects grow at the same time in one process."""
    wanted, fetching = items(60), Fetching()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(grow(cache, wanted[5 * number : 5 * number + 20], fetching, name=f"t{number}"))
            for number in range(8)
        ]
    assert sorted(fetching.fetched) == sorted(one.key for one in wanted[:55])
    for number, task in enumerate(tasks):
        assert content_of(task.result().path) == bodies(wanted[5 * number : 5 * number + 20])


async def test_of_two_that_build_the_same_tree_the_first_to_end_is_used(cache: Cache, root: Path) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(grow(cache, items(20))) for _ in range(4)]
    assert len({task.result().path for task in tasks}) == 1
    assert sum(task.result().fetched_objects for task in tasks) == 20
    assert content_of(tasks[0].result().path) == bodies(items(20))
    assert partials_in(root) == []


async def test_who_waits_for_a_known_tree_finds_it(cache: Cache, root: Path) -> None:
    fetching = Fetching()

    async def one(cache: Cache) -> int:
        with ExitStack() as leases:
            async with cache.alone("tree"):
                tree = await cache.tree("tree", leases) or await grow(cache, items(9), fetching, leases=leases)
            return tree.objects

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(Cache(root))) for _ in range(5)]
    assert [task.result() for task in tasks] == [9] * 5
    assert len(fetching.fetched) == 9


async def test_who_takes_every_slot_before_the_first_claim_is_not_made_to_wait(cache: Cache) -> None:
    fetching = Fetching()

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        for slot in [slot async for slot in slots]:
            fetching.fill(slot)

    tree = await grow(cache, items(30), fetch)
    assert content_of(tree.path) == bodies(items(30))
    assert len(fetching.fetched) == 30


@pytest.mark.parametrize("is_brought", [True, False])
async def test_objects_that_turn_out_late_to_be_with_others_come_in_the_end(cache: Cache, is_brought: bool) -> None:
    """
    1. A tree claims an object. 2. Another takes the slots of it and of more, until there are none. 3. Only then it claims
    them, and brings those that are free. 4. The first tree brings its object, or gives it up. 5. So the other has it, too.
    """
    is_claimed, others_are_whole = asyncio.Event(), asyncio.Event()
    rounds: list[list[str]] = []
    second = Fetching()

    async def slowly(slots: AsyncIterator[Slot]) -> None:
        slot = await claimed(slots)
        is_claimed.set()
        await others_are_whole.wait()
        if not is_brought:
            raise StorageUnavailable("gone")
        os.pwrite(slot.handle, body_of(slot.item), 0)
        slot.whole()

    async def all_at_once(slots: AsyncIterator[Slot]) -> None:
        taken = [slot async for slot in slots]
        rounds.append([slot.item.key for slot in taken])
        for slot in taken:
            second.fill(slot)
        others_are_whole.set()

    first = asyncio.create_task(grow(cache, items(1), slowly, name="first"))
    await is_claimed.wait()
    told = Told()
    tree = await grow(cache, items(5), all_at_once, name="second", report=told)
    if is_brought:
        await first
    else:
        with pytest.raises(StorageUnavailable):
            await first
    assert content_of(tree.path) == bodies(items(5))
    assert rounds == [[one.key for one in items(5)], ["k/0/0000"]]
    assert second.fetched == [one.key for one in items(5)[1:]] + ([] if is_brought else ["k/0/0000"])
    assert (told.here_objects, tree.fetched_objects) == ((1, 4) if is_brought else (0, 5))
    assert cache.state()[0] == 500
