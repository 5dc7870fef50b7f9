"""The cache: bytes arrive once, and what is visible is whole."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import (
    LOCATION,
    Fetching,
    Told,
    bodies,
    body_of,
    content_of,
    crc_of,
    grow,
    item,
    items,
    objects_in,
    partials_in,
    sha256_of,
)

from gadus.contracts import Slot
from gadus.core.manifest import Item
from gadus.runner.cache import Cache


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


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("size_bytes", [100, 9 << 20])
async def test_files_of_the_cache_are_read_only_and_anybody_may_read_them(cache: Cache, umask: int, size_bytes: int) -> None:
    """The program of a container may be any user."""
    before = os.umask(umask)
    try:
        tree = await grow(cache, items(2, size_bytes))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in [*tree.path.rglob("0*"), tree.record] if path.is_file()} == {0o444}


@pytest.mark.parametrize("digest", [crc_of, sha256_of])
async def test_the_record_tells_of_every_object_how_it_came(cache: Cache, digest: Callable[[bytes], str]) -> None:
    await grow(cache, items(1), name="one")
    with_version = Item(key="k/v", path="v", size_bytes=4, etag="e", version_id="7", sha256="")
    tree = await grow(cache, [*items(1), with_version], Fetching(digest=digest), name="two")
    known, fetched = sorted(map(json.loads, tree.record.read_text().splitlines()), key=lambda line: line["key"])
    value = digest(body_of(with_version))
    assert fetched.pop("seconds") >= 0
    assert fetched == {
        "key": "k/v",
        "path": "v",
        "bytes": 4,
        "etag": "e",
        "version_id": "7",
        **({"checksum": value} if digest is crc_of else {"sha256": value.removeprefix("sha256:")}),
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
        assert exc.errno == errno.EMLINK
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
                assert slot.claim()
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
