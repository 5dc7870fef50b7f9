"""The cache on a disk that is too small: said in time where that is known, and nothing is left where it is not."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import LOCATION, Fetching, Told, bodies, body_of, claimed, content_of, grow, item, named, objects_in, partials_in

from gadus.contracts import Found, Slot
from gadus.core.errors import DiskFull, StorageUnavailable
from gadus.runner.cache import Cache
from parts import small_disk_at


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MiB, of which 64 are kept for the system."""
    with small_disk_at(tmp_path / "disk", "80m") as path:
        yield path


async def test_what_the_disk_cannot_hold_is_refused_before_the_fetch(small_disk: Path) -> None:
    cache = Cache(small_disk / "cache", limit_bytes=1 << 40)
    fetching = Fetching()
    with pytest.raises(DiskFull, match=r"needs 17\.0 MiB, and the disk of .* has 80\.0 MiB free, 64\.0 MiB of which stay so"):
        await grow(cache, [item("a", 17 << 20)], fetching)
    assert fetching.fetched == []
    tree = await grow(cache, [item("a", 5 << 20)], fetching)
    assert content_of(tree.path) == bodies([item("a", 5 << 20)])


@pytest.mark.parametrize("large_first", [True, False])
@pytest.mark.parametrize("kept_bytes", [0, 3, 100_000, 1 << 20])
async def test_a_disk_that_is_full_during_the_fetch_is_named_and_nothing_is_left(
    small_disk: Path, kept_bytes: int, large_first: bool
) -> None:
    """Somebody else fills the disk while the objects come."""
    root = small_disk / "cache"
    cache = Cache(root, limit_bytes=1 << 40)
    before = await grow(cache, named("before", 3), name="before")
    wanted = [*named("small", 20, 30_000), item("large", 9 << 20)]
    if large_first:
        wanted.reverse()

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        free = shutil.disk_usage(small_disk).free
        with (small_disk / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(1, free - kept_bytes))
        await Fetching()(slots)

    with pytest.raises(DiskFull, match=r"needs 9\.6 MiB, and the disk of .* has .* free"):
        await grow(cache, wanted, fetch, page=100)
    assert partials_in(root) == []
    assert len(objects_in(root)) == 3
    (small_disk / "filler").unlink()
    assert cache.state()[0] == 300
    smaller = named("small", 10, 30_000)
    tree = await grow(cache, smaller, name="smaller")
    assert content_of(tree.path) == bodies(smaller)
    assert content_of(before.path) == bodies(named("before", 3))


@pytest.mark.parametrize("of_use", [True, False])
async def test_what_was_promised_and_is_not_written_yet_counts_as_taken(small_disk: Path, of_use: bool) -> None:
    """
    Of the 16 MiB that the cache may use, a large partial object has 9 already, of use or not.

    1. The rest of it is brought. 2. Room is promised for another object. 3. For a third there is none, though all of its size
    is free now.
    """
    root = small_disk / "cache"
    cache = Cache(root, limit_bytes=1 << 40)
    begun, second, third = item("begun", 10 << 20), item("second", 5 << 20), item("third", 3 << 20)

    async def begin(slots: AsyncIterator[Slot]) -> None:
        slot = await claimed(slots)
        os.pwrite(slot.handle, body_of(begun)[: 9 << 20], 0)
        slot.wrote(0, 9 << 20)
        raise StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable):
        await grow(cache, [begun], begin)
    if not of_use:
        (root / "partial" / f"{begun.identity(LOCATION)}.parts").write_text("")
    first_is_whole, second_is_promised = asyncio.Event(), asyncio.Event()
    fetching, told = Fetching(), Told()

    async def found() -> AsyncIterator[Found]:
        yield Found(LOCATION, [begun])
        await first_is_whole.wait()
        yield Found(LOCATION, [second])
        await second_is_promised.wait()
        yield Found(LOCATION, [third])

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        fetching.fill(await anext(slots))
        first_is_whole.set()
        await claimed(slots)
        second_is_promised.set()
        await asyncio.Event().wait()

    with pytest.raises(DiskFull, match=r"needs 18\.0 MiB"), ExitStack() as leases:
        await cache.grow(found(), name=lambda: "t", fetch=fetch, report=told, leases=leases)
    assert told.arrived_bytes == (1 << 20 if of_use else 10 << 20)
    assert (objects_in(root), partials_in(root)) == ([], [])
