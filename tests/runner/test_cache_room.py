"""The limit of the cache: what is least used goes, what is used never does, and too little room is said in time."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import LOCATION, Fetching, Told, bodies, claimed, content_of, grow, item, named, objects_in, partials_in

from gadus.contracts import Found, Slot
from gadus.core.errors import DiskFull, StorageUnavailable
from gadus.runner.cache import Cache


def names_in(cache: Cache) -> set[str]:
    return {one.name for one in cache.list()}


async def used_in_order(cache: Cache, root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        with ExitStack() as leases:
            assert await cache.tree(name, leases) is not None
        os.utime(root / f"trees/{name}.lock", (1000 + number, 1000 + number))


async def test_the_least_recently_used_goes_first(root: Path) -> None:
    cache = Cache(root, limit_bytes=1000)
    for letter in "abc":
        await grow(cache, named(letter, 3), name=letter)
    await used_in_order(cache, root, "b", "c", "a")
    await grow(cache, named("d", 3), name="d")
    assert names_in(cache) == {"a", "c", "d"}
    # Of its objects one could stay.
    assert cache.state() == (1000, 1000)
    assert len(objects_in(root)) == 10


async def test_objects_that_another_tree_holds_stay(root: Path) -> None:
    cache = Cache(root, limit_bytes=1000)
    await grow(cache, named("a", 6), name="old")
    kept = await grow(cache, named("a", 3), name="new")
    await used_in_order(cache, root, "old", "new")
    await grow(cache, named("b", 5), name="b")
    assert names_in(cache) == {"new", "b"}
    assert content_of(kept.path) == bodies(named("a", 3))
    # Only as many as had to.
    assert cache.state()[0] == 1000


async def test_objects_of_no_tree_go_before_the_input_is_refused(root: Path) -> None:
    cache = Cache(root, limit_bytes=1000)

    async def half(slots: AsyncIterator[Slot]) -> None:
        for _ in range(6):
            Fetching().fill(await anext(slots))
        raise StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable):
        await grow(cache, named("a", 7), half)
    assert cache.state()[0] == 600
    tree = await grow(cache, named("b", 9))
    assert content_of(tree.path) == bodies(named("b", 9))
    assert cache.state()[0] <= 1000


async def test_a_leased_tree_is_never_removed_and_the_error_says_what_is_in_use(root: Path) -> None:
    cache = Cache(root, limit_bytes=1000)
    fetching = Fetching()
    with ExitStack() as leases:
        held = await grow(cache, named("a", 6), name="held", leases=leases)
        with pytest.raises(DiskFull, match=r"needs 500 B; the cache may hold 1000 B, of which 600 B are in use") as caught:
            await grow(cache, named("b", 5), fetching, name="b")
        assert "GADUS_CACHE_LIMIT" in caught.value.hint
        assert content_of(held.path) == bodies(named("a", 6))
    assert fetching.fetched == []
    await grow(cache, named("b", 5), name="b")
    assert names_in(cache) == {"b"}


LEASE = """
import asyncio, sys
from contextlib import ExitStack
from pathlib import Path
from gadus.runner.cache import Cache

async def main():
    with ExitStack() as leases:
        assert await Cache(Path(sys.argv[1])).tree("held", leases) is not None
        print("leased", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


async def test_a_lease_of_another_process_holds_until_that_process_dies(root: Path) -> None:
    cache = Cache(root, limit_bytes=1000)
    held = await grow(cache, named("a", 6), name="held")
    command = [sys.executable, "-c", LEASE, str(root)]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"leased\n"
        assert [one.in_use for one in cache.list()] == [True]
        with pytest.raises(DiskFull):
            await grow(cache, named("b", 5), name="b")
        assert cache.prune(0).trees == 0
        assert content_of(held.path) == bodies(named("a", 6))
    finally:
        process.kill()
        await process.wait()
    await grow(cache, named("b", 5), name="b")
    assert names_in(cache) == {"b"}


async def test_what_is_larger_than_the_limit_is_refused_and_nothing_goes_for_it(root: Path) -> None:
    cache = Cache(root, limit_bytes=1000)
    await grow(cache, named("a", 6), name="a")
    fetching = Fetching()
    with pytest.raises(DiskFull, match=r"needs 1\.1 KiB; the cache may hold 1000 B"):
        await grow(cache, named("b", 11), fetching, name="b", page=100)
    assert fetching.fetched == []
    assert names_in(cache) == {"a"}


async def test_when_a_later_page_does_not_fit_nothing_of_the_input_stays(root: Path) -> None:
    cache = Cache(root, limit_bytes=1000)
    await grow(cache, named("a", 1), name="a")
    with ExitStack() as leases:
        assert await cache.tree("a", leases)
        told = Told()
        with pytest.raises(DiskFull):
            await grow(cache, [*named("a", 1), *named("b", 11)], name="b", page=2, report=told)
        assert told.whole_keys
    assert [path.stat().st_size for path in objects_in(root)] == [100]
    assert partials_in(root) == []
    assert cache.state()[0] == 100
    assert names_in(cache) == {"a"}
    await grow(cache, named("c", 9), name="c")
    assert names_in(cache) == {"a", "c"}


async def test_a_page_too_many_takes_away_large_partial_objects_too(root: Path) -> None:
    cache = Cache(root, limit_bytes=20 << 20)

    async def found() -> AsyncIterator[Found]:
        yield Found(LOCATION, [item("large", 10 << 20)])
        await begun.wait()
        yield Found(LOCATION, [item("too-much", 11 << 20)])

    begun = asyncio.Event()

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        slot = await claimed(slots)
        os.pwrite(slot.handle, bytes(1000), 0)
        slot.wrote(0, 1000)
        begun.set()
        await asyncio.sleep(60)

    with pytest.raises(DiskFull), ExitStack() as leases:
        await cache.grow(found(), name=lambda: "t", fetch=fetch, report=Told(), leases=leases)
    assert partials_in(root) == []
    assert cache.state()[0] == 0


async def test_those_who_want_the_same_at_once_need_its_room_once(root: Path) -> None:
    """Eight trees of the same objects, in a cache that has room for them once."""
    fetching = Fetching()
    async with asyncio.TaskGroup() as group:
        for number in range(8):
            cache = Cache(root, limit_bytes=1000)
            group.create_task(grow(cache, named("a", 9), fetching, name=f"t{number}", page=3))
    assert len(fetching.fetched) == 9


async def test_of_two_that_do_not_fit_together_one_is_refused_and_the_other_ends(root: Path) -> None:
    """Each has room for its first half, and then waits for the other's: the last to wait is refused."""
    halfway = asyncio.Barrier(2)

    async def one(letter: str) -> int:
        async def found() -> AsyncIterator[Found]:
            yield Found(LOCATION, named(letter, 4))
            await halfway.wait()
            yield Found(LOCATION, named(letter + letter, 4))

        with ExitStack() as leases:
            cache = Cache(root, limit_bytes=1000)
            tree = await cache.grow(found(), name=lambda: letter, fetch=Fetching(), report=Told(), leases=leases)
            return tree.objects

    outcomes = await asyncio.gather(one("a"), one("b"), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DiskFull", "int"]
    assert names_in(Cache(root)) <= {"a", "b"}
    assert len(objects_in(root)) == 8


async def test_the_default_limit_is_four_fifths_of_what_would_be_free(root: Path) -> None:
    cache = Cache(root)
    await grow(cache, named("a", 10))
    used, limit = cache.state()
    assert used == 1000
    assert limit == pytest.approx(0.8 * (shutil.disk_usage(root).free + used), rel=0.05)


@pytest.mark.parametrize("number", ["", "?", "garbage", "99999999"])
async def test_a_lost_or_wrong_count_is_made_right_before_anything_goes(root: Path, number: str) -> None:
    await grow(Cache(root, limit_bytes=1000), named("a", 5), name="a")
    (root / "usage").write_text(number)
    cache = Cache(root, limit_bytes=1000)
    await grow(cache, named("b", 5), name="b")
    assert names_in(cache) == {"a", "b"}
    assert cache.state()[0] == 1000


async def test_prune_goes_down_to_a_size_and_leaves_what_is_used(root: Path) -> None:
    cache = Cache(root)
    for letter in "abc":
        await grow(cache, named(letter, 3), name=letter)
    await used_in_order(cache, root, "b", "c", "a")
    pruned = cache.prune(650)
    assert (pruned.trees, pruned.objects, pruned.size_bytes) == (1, 3, 300)
    assert names_in(cache) == {"a", "c"}
    with ExitStack() as leases:
        assert await cache.tree("c", leases) is not None
        assert cache.prune(0).trees == 1
    assert names_in(cache) == {"c"}
    assert cache.state()[0] == 300
    assert cache.prune().trees == 0


async def test_prune_leaves_trees_of_empty_objects_alone(root: Path) -> None:
    cache = Cache(root)
    await grow(cache, [item("empty", 0)])
    assert cache.prune().trees == 0
    assert cache.prune(0).trees == 1
