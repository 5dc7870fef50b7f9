"""The cache against a model: trees grow, are leased, given back, evicted and given up in any order."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from staging import LOCATION, Fetching, bodies, body_of, claimed, content_of, grow, objects_in, partials_in

from gadus.contracts import Slot
from gadus.core.errors import DiskFull, StorageUnavailable
from gadus.core.manifest import Item
from gadus.runner.cache import Cache

LIMIT = 2400
OBJECTS = [Item(key=f"k{number}", path=f"d{number % 3}/{number}", size_bytes=60 * number, etag="1") for number in range(10)]
SIZES = {one.key: one.size_bytes for one in OBJECTS}
SETS = st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=8, unique=True)


class Machine(RuleBasedStateMachine):
    """
    `trees` is what must be there while it is leased; without a lease a tree may go, but only to make room.

    A process that dies is told by a new `Cache` and by claims whose locks are free.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp()) / "cache"
        self.cache = Cache(self.root, limit_bytes=LIMIT)
        self.trees: dict[str, list[Item]] = {}
        self.leases: dict[str, list[ExitStack]] = {}

    def teardown(self) -> None:
        for stacks in self.leases.values():
            for stack in stacks:
                stack.close()
        shutil.rmtree(self.root.parent)

    @rule(wanted=SETS, keep=st.booleans())
    def grow(self, wanted: list[Item], keep: bool) -> None:
        name = "-".join(sorted(one.key for one in wanted))
        here = {path.name for path in objects_in(self.root)}
        leased = {one.key for name in self.leases for one in self.trees[name]}
        needed = sum(SIZES[key] for key in {one.key for one in wanted} | leased)
        fetching = Fetching()
        stack = ExitStack()
        try:
            tree = asyncio.run(grow(self.cache, wanted, fetching, name=name, leases=stack, page=3))
        except DiskFull:
            assert needed > LIMIT
            stack.close()
            return
        assert needed <= LIMIT
        assert content_of(tree.path) == bodies(wanted)
        assert {one.key for one in wanted if one.identity(LOCATION) not in here} <= set(fetching.fetched)
        self.trees[name] = wanted
        if keep:
            self.leases.setdefault(name, []).append(stack)
        else:
            stack.close()

    @rule(wanted=SETS, after=st.integers(0, 4))
    def fail(self, wanted: list[Item], after: int) -> None:
        async def fetch(slots: AsyncIterator[Slot]) -> None:
            for _ in range(after):
                Fetching().fill(await anext(slots))
            os.write((await claimed(slots)).handle, b"half")
            raise StorageUnavailable("gone")

        name = "f-" + "-".join(sorted(one.key for one in wanted))
        with suppress(StorageUnavailable, DiskFull, StopAsyncIteration, RuntimeError), ExitStack() as stack:
            tree = asyncio.run(grow(self.cache, wanted, fetch, name=name, leases=stack))
            # Nothing was missing, so that nobody was asked to fetch.
            assert (tree.fetched_objects, content_of(tree.path)) == (0, bodies(wanted))

    @precondition(lambda self: self.trees)
    @rule(data=st.data())
    def lease(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.trees)))
        stack = ExitStack()
        tree = asyncio.run(self.cache.tree(name, stack))
        if tree is None:
            assert name not in self.leases
            del self.trees[name]
            return
        assert content_of(tree.path) == bodies(self.trees[name])
        self.leases.setdefault(name, []).append(stack)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.leases)))
        self.leases[name].pop().close()
        if not self.leases[name]:
            del self.leases[name]

    @rule(to_bytes=st.integers(0, LIMIT))
    def prune(self, to_bytes: int) -> None:
        self.cache.prune(to_bytes)
        leased = {one.key for name in self.leases for one in self.trees[name]}
        assert self.cache.state()[0] <= max(to_bytes, sum(SIZES[key] for key in leased))

    @rule()
    def die(self) -> None:
        """What a killed process leaves: a claimed tree, a half object, a promise that nobody fills."""
        place = self.root / "partial/0123456789abcdef"
        (place / "whole/files").mkdir(parents=True)
        (place / "promised").write_text("500 0")
        place.with_name(place.name + ".lock").touch()
        (self.root / "partial" / OBJECTS[3].identity(LOCATION)).write_bytes(b"half")
        usage = self.root / "usage"
        if usage.exists() and usage.read_text().strip().isdigit():
            usage.write_text(f"{int(usage.read_text()) + 500:20}")
        self.cache = Cache(self.root, limit_bytes=LIMIT)

    def names(self) -> set[str]:
        return {one.name for one in self.cache.list()}

    @invariant()
    def what_is_leased_is_whole(self) -> None:
        assert set(self.leases) <= self.names()
        for name in self.leases:
            assert content_of(self.root / "trees" / name / "files") == bodies(self.trees[name])

    @invariant()
    def nothing_torn_is_visible_and_the_count_is_right(self) -> None:
        by_identity = {one.identity(LOCATION): one for one in OBJECTS}
        paths = objects_in(self.root)
        for path in paths:
            assert path.read_bytes() == body_of(by_identity[path.name])
        assert partials_in(self.root) == []
        used = self.cache.state()[0]
        assert used == sum(path.stat().st_size for path in paths)
        assert used <= LIMIT


Machine.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestCacheModel = Machine.TestCase
