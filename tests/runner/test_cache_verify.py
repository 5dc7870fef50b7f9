"""Checking the cache: what is not what came is named and removed, so that it is fetched again."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import Fetching, bodies, content_of, grow, item, items, objects_in, sha256_of

from gadus.runner.cache import Cache


def damage(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
        return
    path.chmod(0o644)
    body = bytearray(path.read_bytes())
    if how == "one bit":
        body[len(body) // 2] ^= 1
    elif how == "shorter":
        del body[-1]
    path.write_bytes(body)
    path.chmod(0o444)


async def test_whole_trees_are_whole(root: Path) -> None:
    cache = Cache(root)
    await grow(cache, [item("", 0), *items(3, 70_000)][1:], name="a")
    await grow(cache, [item("empty", 0)], name="b")
    for thorough in (False, True):
        checked = list(cache.verify(thorough=thorough))
        assert [(one.name, one.objects, one.size_bytes, one.digests, one.damaged_objects) for one in checked] == [
            ("a", 3, 210_000, 3, 0),
            ("b", 1, 0, 1, 0),
        ]
    assert len(cache.list()) == 2


@pytest.mark.parametrize("how", ["one bit", "shorter", "gone"])
@pytest.mark.parametrize("thorough", [False, True])
async def test_a_damaged_object_is_named_and_fetched_again(root: Path, how: str, thorough: bool) -> None:
    cache = Cache(root)
    tree = await grow(cache, items(4, 3_000_000))
    damage(tree.path / "2/0002", how)
    (checked,) = cache.verify(thorough=thorough)
    assert (checked.damaged, checked.damaged_objects, checked.removed) == (["2/0002"], 1, True)
    assert cache.list() == []
    fetching = Fetching()
    again = await grow(cache, items(4, 3_000_000), fetching)
    assert fetching.fetched == ["k/2/0002"]
    assert content_of(again.path) == bodies(items(4, 3_000_000))
    assert cache.state()[0] == 12_000_000


async def test_every_tree_with_the_damaged_object_goes_and_no_other(root: Path) -> None:
    cache = Cache(root)
    await grow(cache, items(2), name="a")
    await grow(cache, items(3), name="b")
    await grow(cache, [item("other")], name="c")
    damage(root / "trees/b/files/1/0001", "shorter")
    assert {one.name for one in cache.verify() if one.removed} == {"a", "b"}
    assert [one.name for one in cache.list()] == ["c"]


async def test_an_object_with_a_sha256_only_is_checked_by_it(root: Path) -> None:
    cache = Cache(root)
    tree = await grow(cache, items(1), Fetching(digest=sha256_of))
    damage(tree.path / "0/0000", "one bit")
    assert [one.removed for one in cache.verify()] == [True]


async def test_a_damaged_tree_that_is_in_use_is_named_and_stays(root: Path) -> None:
    cache = Cache(root)
    with ExitStack() as leases:
        tree = await grow(cache, items(2), leases=leases)
        damage(tree.path / "0/0000", "one bit")
        (checked,) = cache.verify()
        assert (checked.damaged_objects, checked.removed) == (1, False)
        assert tree.path.exists()
        # But nothing else is made of the damaged bytes.
        assert len(objects_in(root)) == 1
    assert [one.removed for one in cache.verify()] == [True]


async def test_listing_says_what_is_there_and_who_uses_it(root: Path) -> None:
    cache = Cache(root)
    await grow(cache, items(2), name="old")
    os.utime(root / "trees/old.lock", (5000, 5000))
    with ExitStack() as leases:
        await grow(cache, items(3), name="new", leases=leases)
        listed = Cache(root).list()
    assert [(one.name, one.location, one.objects, one.size_bytes, one.in_use) for one in listed] == [
        ("new", "test://", 3, 300, True),
        ("old", "test://", 2, 200, False),
    ]
    assert listed[1].last_used == 5000
    assert [one.in_use for one in cache.list()] == [False, False]
