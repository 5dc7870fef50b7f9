"""A tree of the cache that is given up: by an error, by who asked, by a fetch that does not keep its promise."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import LOCATION, Fetching, Told, bodies, claimed, content_of, found_in, grow, items, objects_in, partials_in

from descriptors import opened
from gadus.contracts import Found, Slot
from gadus.core.errors import Bug, InputUnsafe, StorageUnavailable
from gadus.runner.cache import Cache


async def test_a_failed_fetch_leaves_no_tree_and_keeps_what_was_whole(cache: Cache, root: Path) -> None:
    async def half(slots: AsyncIterator[Slot]) -> None:
        Fetching().fill(await anext(slots))
        os.write((await claimed(slots)).handle, b"hal")
        raise StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable):
        await grow(cache, items(3), half)
    assert list((root / "trees").iterdir()) == []
    assert partials_in(root) == []
    fetching = Fetching()
    tree = await grow(cache, items(3), fetching)
    assert len(fetching.fetched) == 2
    assert content_of(tree.path) == bodies(items(3))


async def test_an_error_of_what_is_found_ends_the_fetch(cache: Cache, root: Path) -> None:
    ended = []

    async def found() -> AsyncIterator[Found]:
        yield Found(LOCATION, items(3))
        raise InputUnsafe("bad keys")

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        try:
            await Fetching()(slots)
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with pytest.raises(InputUnsafe), ExitStack() as leases:
        await cache.grow(found(), name=lambda: "t", fetch=fetch, report=Told(), leases=leases)
    assert partials_in(root) == []
    assert cache.list() == []


async def test_cancelled_it_closes_everything_and_keeps_what_was_whole(cache: Cache, root: Path) -> None:
    taken = asyncio.Event()
    found_ended = []

    async def found() -> AsyncIterator[Found]:
        try:
            async for some in found_in(items(100)):
                yield some
        finally:
            found_ended.append(True)

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        for _ in range(4):
            Fetching().fill(await anext(slots))
        await claimed(slots)
        taken.set()
        await asyncio.sleep(60)

    before = opened()
    with ExitStack() as leases:
        growing = asyncio.create_task(cache.grow(found(), name=lambda: "t", fetch=fetch, report=Told(), leases=leases))
        await taken.wait()
        growing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await growing
    assert opened() <= before
    assert found_ended == [True]
    assert partials_in(root) == []
    assert len(objects_in(root)) == 4
    assert cache.state()[0] == 400


async def test_a_spoilt_object_is_nowhere_and_its_bytes_are_taken_back(cache: Cache, root: Path) -> None:
    told = Told()

    async def spoil(slots: AsyncIterator[Slot]) -> None:
        slot = await claimed(slots)
        os.write(slot.handle, b"wrong")
        slot.wrote(0, 5)
        slot.spoil()
        raise StorageUnavailable("damaged")

    with pytest.raises(StorageUnavailable):
        await grow(cache, items(1), spoil, report=told)
    assert (objects_in(root), partials_in(root), told.arrived_bytes) == ([], [], 0)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("size_bytes", [99, 101])
async def test_an_object_of_another_size_is_never_shown(cache: Cache, root: Path, size_bytes: int, told: bool) -> None:
    async def wrong(slots: AsyncIterator[Slot]) -> None:
        slot = await claimed(slots)
        os.write(slot.handle, bytes(size_bytes))
        if told:
            slot.wrote(0, size_bytes)
        slot.whole()

    with pytest.raises(Bug, match="called whole with"):
        await grow(cache, items(1), wrong)
    assert (objects_in(root), partials_in(root)) == ([], [])


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize("does", ["nothing", "takes", "claims", "fills"])
async def test_a_fetch_that_ends_too_early_is_a_bug_and_no_tree(cache: Cache, root: Path, count: int, does: str) -> None:
    async def lazy(slots: AsyncIterator[Slot]) -> None:
        match does:
            case "takes":
                await anext(slots)
            case "claims":
                await claimed(slots)
            case "fills":
                # And takes the last one without a claim.
                for _ in range(count - 1):
                    Fetching().fill(await anext(slots))
                await anext(slots)

    with pytest.raises(Bug, match="the fetch ended before"):
        await grow(cache, items(count), lazy)
    assert cache.list() == []
    assert partials_in(root) == []
