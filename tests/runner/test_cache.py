"""The cache: bytes arrive once, while more is being found, and what is visible is whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import LOCATION, Fetching, Told, bodies, body_of, content_of, found_in, grow, item, items, objects_in, partials_in

from gadus.contracts import Found, Slot
from gadus.core.checksums import CRC64NVME, as_text, update
from gadus.core.errors import Bug, InputUnsafe, StorageUnavailable
from gadus.core.manifest import Item
from gadus.runner.cache import Cache


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(root: Path) -> Cache:
    return Cache(root)


async def test_a_tree_is_what_was_found_and_nothing_else(cache: Cache, root: Path) -> None:
    wanted = [item("a", 3), item("d/b", 0), item("d/e/c", 70_000)]
    told = Told()
    tree = await grow(cache, wanted, directories=("d/empty", "x/y"), report=told)
    assert content_of(tree.path) == bodies(wanted)
    assert sorted(str(path.relative_to(tree.path)) for path in tree.path.rglob("*") if path.is_dir()) == [
        "d", "d/e", "d/empty", "x", "x/y",
    ]  # fmt: skip
    assert (tree.objects, tree.size_bytes, tree.fetched_objects, tree.fetched_bytes) == (3, 70_003, 3, 70_003)
    assert (told.here_objects, told.here_bytes, told.arrived_bytes) == (0, 0, 70_003)
    assert sorted(told.whole_keys) == ["k/a", "k/d/b", "k/d/e/c"]
    assert partials_in(root) == []


async def test_the_same_objects_are_fetched_once_and_linked_again(cache: Cache) -> None:
    wanted, fetching = items(25), Fetching()
    first = await grow(cache, wanted, fetching, name="one")
    told = Told()
    second = await grow(cache, wanted, fetching, name="two", report=told)
    assert sorted(fetching.fetched) == sorted(one.key for one in wanted)
    assert (second.objects, second.fetched_objects, second.fetched_bytes) == (25, 0, 0)
    assert (told.here_objects, told.here_bytes, told.arrived_bytes) == (25, 2500, 0)
    assert content_of(second.path) == bodies(wanted)
    assert (first.path / "0/0000").samefile(second.path / "0/0000")


async def test_nobody_is_asked_to_fetch_when_nothing_is_missing(cache: Cache) -> None:
    async def never(slots: AsyncIterator[Slot]) -> None:
        raise AssertionError(slots)

    await grow(cache, items(5), name="one")
    assert (await grow(cache, items(5), never, name="two")).objects == 5
    assert (await grow(cache, [], never, name="none")).objects == 0


async def test_only_changed_objects_are_fetched(cache: Cache) -> None:
    await grow(cache, items(5), name="one")
    changed = [*items(4), item("4/0004", etag="2")]
    fetching = Fetching()
    assert cache.cached_bytes(LOCATION, changed) == 400
    assert cache.cached_bytes("other://", changed) == 0
    tree = await grow(cache, changed, fetching, name="two")
    assert fetching.fetched == ["k/4/0004"]
    assert content_of(tree.path) == bodies(changed)


async def test_a_tree_that_is_here_is_found_by_its_name(cache: Cache, root: Path) -> None:
    grown = await grow(cache, items(3))
    for opened in (cache, Cache(root)):
        with ExitStack() as leases:
            tree = await opened.tree("tree", leases)
            assert tree is not None
            assert (tree.path, tree.objects, tree.size_bytes, tree.fetched_objects) == (grown.path, 3, 300, 0)
            assert tree.record == grown.record
            assert await opened.tree("other", leases) is None


async def test_the_only_object_without_a_path_is_the_input_itself(cache: Cache) -> None:
    one = Item(key="k", path="", size_bytes=5, sha256="0" * 64)
    assert (await grow(cache, [one])).path.read_bytes() == body_of(one)
    with ExitStack() as leases:
        again = await cache.tree("tree", leases)
        assert again is not None
        assert again.path.read_bytes() == body_of(one)


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


async def test_a_failed_fetch_leaves_no_tree_and_keeps_what_was_whole(cache: Cache, root: Path) -> None:
    async def half(slots: AsyncIterator[Slot]) -> None:
        Fetching().fill(await anext(slots))
        slot = await anext(slots)
        os.write(slot.handle, b"hal")
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
        await anext(slots)
        taken.set()
        await asyncio.sleep(60)

    before = len(list(Path("/proc/self/fd").iterdir()))
    with ExitStack() as leases:
        growing = asyncio.create_task(cache.grow(found(), name=lambda: "t", fetch=fetch, report=Told(), leases=leases))
        await taken.wait()
        growing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await growing
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert found_ended == [True]
    assert partials_in(root) == []
    assert len(objects_in(root)) == 4
    assert cache.state()[0] == 400


async def test_a_spoilt_object_is_nowhere_and_its_bytes_are_taken_back(cache: Cache, root: Path) -> None:
    told = Told()

    async def spoil(slots: AsyncIterator[Slot]) -> None:
        slot = await anext(slots)
        os.write(slot.handle, b"wrong")
        slot.wrote(0, 5)
        slot.spoil()
        raise StorageUnavailable("damaged")

    with pytest.raises(StorageUnavailable):
        await grow(cache, items(1), spoil, report=told)
    assert (objects_in(root), partials_in(root), told.arrived_bytes) == ([], [], 0)


@pytest.mark.parametrize("size_bytes", [99, 101])
async def test_an_object_of_another_size_is_never_shown(cache: Cache, root: Path, size_bytes: int) -> None:
    async def wrong(slots: AsyncIterator[Slot]) -> None:
        slot = await anext(slots)
        os.write(slot.handle, bytes(size_bytes))
        slot.whole()

    with pytest.raises(Bug, match="called whole with"):
        await grow(cache, items(1), wrong)
    assert (objects_in(root), partials_in(root)) == ([], [])


@pytest.mark.parametrize("count", [1, 30])
async def test_a_fetch_that_ends_too_early_is_a_bug_and_no_tree(cache: Cache, count: int) -> None:
    async def lazy(slots: AsyncIterator[Slot]) -> None:
        await anext(slots)

    with pytest.raises(Bug, match="the fetch ended before"):
        await grow(cache, items(count), lazy)
    assert cache.list() == []


async def test_a_size_that_is_not_known_is_found_out(cache: Cache) -> None:
    unknown = Item(key="k", path="p", size_bytes=-1, etag="1")
    tree = await grow(cache, [unknown], Fetching(lambda _: b"12345"))
    assert (tree.size_bytes, tree.fetched_bytes) == (5, 5)
    again = await grow(cache, [unknown], name="again")
    assert (again.size_bytes, again.fetched_bytes) == (5, 0)
    assert cache.state()[0] == 5


async def test_objects_that_nothing_pins_are_fetched_for_every_tree(cache: Cache) -> None:
    loose = Item(key="k", path="p", size_bytes=5)
    fetching = Fetching()
    for name in ("one", "two"):
        tree = await grow(cache, [loose], fetching, name=name)
        assert content_of(tree.path) == bodies([loose])
    assert fetching.fetched == ["k", "k"]
    assert cache.cached_bytes(LOCATION, [loose]) == 0


async def test_files_of_the_cache_are_read_only(cache: Cache) -> None:
    tree = await grow(cache, items(2))
    assert {path.stat().st_mode & 0o777 for path in [*tree.path.rglob("0*"), tree.record] if path.is_file()} == {0o444}


async def test_the_record_tells_of_every_object_how_it_came(cache: Cache) -> None:
    await grow(cache, items(1), name="one")
    with_version = Item(key="k/v", path="v", size_bytes=4, etag="e", version_id="7", sha256="")
    tree = await grow(cache, [*items(1), with_version], name="two")
    known, fetched = sorted(map(json.loads, tree.record.read_text().splitlines()), key=lambda line: line["key"])
    body = body_of(with_version)
    assert fetched.pop("seconds") >= 0
    assert fetched == {
        "key": "k/v",
        "path": "v",
        "bytes": 4,
        "etag": "e",
        "version_id": "7",
        "sha256": hashlib.sha256(body).hexdigest(),
        "checksum": as_text(CRC64NVME, update(CRC64NVME, body)),
        "object": with_version.identity(LOCATION),
        "came": "fetched",
    }
    assert (known["key"], known["came"], known["bytes"], "seconds" in known) == ("k/0/0000", "cache", 100, False)


async def test_a_file_with_the_most_names_there_can_be_is_copied(cache: Cache, root: Path, tmp_path: Path) -> None:
    await grow(cache, items(1))
    stored = objects_in(root)[0]
    (tmp_path / "names").mkdir()
    try:
        for number in range(65_000):
            os.link(stored, tmp_path / f"names/{number}")
    except OSError as exc:
        assert exc.errno == 31  # EMLINK
    else:
        pytest.skip("this file system has no such limit")
    tree = await grow(cache, items(1), name="more")
    assert content_of(tree.path) == bodies(items(1))
    assert tree.fetched_objects == 0
    assert not (tree.path / "0/0000").samefile(stored)


async def test_a_symlink_in_the_way_is_never_followed(cache: Cache, root: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    one = item("a", 4)
    (root / "partial" / one.identity(LOCATION)).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        await grow(cache, [one])
    assert victim.read_text() == "mine"


async def test_opening_a_cache_of_a_thousand_trees_takes_no_time(root: Path) -> None:
    cache = Cache(root)
    await grow(cache, items(1))
    whole = root / "trees/tree"
    for number in range(1000):
        (root / f"trees/t{number}").mkdir()
        os.link(whole / "tree.json", root / f"trees/t{number}/tree.json")
        (root / f"trees/t{number}.lock").touch()
        (root / f"trees/t{number}.durable").touch()
    seconds = []
    for _ in range(20):
        start = time.thread_time()
        Cache(root)
        seconds.append(time.thread_time() - start)
    assert min(seconds) < 0.002


async def test_the_loop_goes_on_while_many_objects_are_linked(cache: Cache) -> None:
    wanted = items(20_000, size_bytes=1)

    class Quick(Fetching):
        async def __call__(self, slots: AsyncIterator[Slot]) -> None:
            async for slot in slots:
                os.write(slot.handle, b"x")
                slot.whole()
                if slot.item.path.endswith("0"):
                    await asyncio.sleep(0)

    await grow(cache, wanted, Quick(), name="one", page=20_000)
    turns = 0
    done = threading.Event()

    async def count_turns() -> None:
        nonlocal turns
        while not done.is_set():
            await asyncio.sleep(0.001)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await grow(cache, wanted, name="two", page=20_000)
    done.set()
    await counting
    assert turns >= 20
