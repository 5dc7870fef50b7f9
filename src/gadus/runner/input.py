"""One input of one execution: found out or known, here already or brought."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

from gadus.contracts import Found, Reporter, Slot, Source
from gadus.core.errors import Bug, InputChanged, StorageUnavailable
from gadus.core.job import Pin
from gadus.core.partition import InputParams
from gadus.core.spec import InputSource
from gadus.manifests import Manifests

from .cache import Cache, Tree
from .private import fetched_alone
from .reported import Reported
from .resolving import resolving
from .share import Share


class Input:
    """What an execution asks for, and how it gets it. Used once."""

    def __init__(
        self,
        cache: Cache,
        manifests: Manifests,
        one: InputSource,
        source: Source[Any],
        params: InputParams,
        share: Share,
        private: Path,
        reporter: Reporter,
        leases: ExitStack,
    ) -> None:
        self.one = one
        self.reported = Reported(reporter)
        self._cache = cache
        self._manifests = manifests
        self._source = source
        self._params = params
        self._share = share
        self._private = private
        self._reporter = reporter
        self._leases = leases

    async def list_and_bring(self, pinned: Callable[[Pin], None]) -> tuple[Pin, Tree]:
        """
        Find out what the input is, and bring this execution's share while the listing goes on.

        When the same params gave a tree that is here, the listing comes first: then there may be nothing to bring.
        """
        asked = {"type": self.one.source.name, "params": self.one.source.params}
        pins: list[Pin] = []

        def known(pin: Pin) -> None:
            pins.append(pin)
            self._manifests.remember(asked, pin.digest)
            self._reporter.pinned(pin)
            pinned(pin)

        last = self._manifests.last(asked)
        expected = bool(last) and self._cache.has(self._share.name(last))
        async with aclosing(resolving(self._source, self._params, self.one.target, self._manifests, known)) as listing:
            first = await anext(listing, None)
            exact = first is None or all(item.pinned for item in first.items)
            if exact and not expected and not self._share.needs_all:
                tree = await self._grow(_chained(first, listing), lambda: self._share.name(pins[0].digest))
                return pins[0], tree
            async for _ in listing:
                """Only to know all of it."""
        return pins[0], await self.bring(pins[0], asked_just_now=True)

    async def bring(self, pin: Pin, *, asked_just_now: bool) -> Tree:
        """Bring this execution's share of an input that is known."""
        if not asked_just_now:
            # Nobody reads here what they may not read there.
            await self._source.check_access(self._params)
        if not self._manifests.has(pin.digest):
            await self._find_again(pin)
        if not pin.exact:
            return await self._alone(pin)
        name = self._share.name(pin.digest)
        tree = await self._cache.tree(name, self._leases)
        if tree is None:
            async with self._cache.alone(name):
                tree = await self._cache.tree(name, self._leases)
                if tree is None:
                    return await self._grow(_given(self._manifests.read(pin.digest)), lambda: name, pin)
        self._reporter.found(tree.objects, tree.size_bytes)
        self._reporter.found_whole()
        self.reported.here(tree.objects, tree.size_bytes)
        return tree

    async def _grow(self, batches: AsyncGenerator[Found], name: Callable[[], str], pin: Pin | None = None) -> Tree:
        select = self._share.selection(lambda: self._manifests.read(pin.digest if pin else ""))

        async def selected() -> AsyncIterator[Found]:
            async with aclosing(batches):
                async for found in batches:
                    if not all(item.pinned for item in found.items):
                        raise StorageUnavailable(
                            "the service gives an ETag for some objects of this input and none for others",
                            hint="make two inputs of them, by Key or Filter",
                        )
                    mine = select(found)
                    self._reporter.found(len(mine.items), sum(item.size_bytes for item in mine.items))
                    yield mine
            self._reporter.found_whole()

        return await self._cache.grow(selected(), name=name, fetch=self._fetch, report=self.reported, leases=self._leases)

    async def _alone(self, pin: Pin) -> Tree:
        select = self._share.selection(lambda: self._manifests.read(pin.digest))
        batches = [select(found) for found in self._manifests.read(pin.digest)]
        self._reporter.found(*_totals(batches))
        self._reporter.found_whole()
        return await fetched_alone(batches, self._private, self._fetch, self.reported)

    async def _fetch(self, slots: AsyncIterator[Slot]) -> None:
        await self._source.fetch(self._params, slots)

    async def _find_again(self, pin: Pin) -> None:
        """The manifest is gone from this machine: list once more, and insist on the same."""
        found: list[Pin] = []
        async for _ in resolving(self._source, self._params, self.one.target, self._manifests, found.append):
            """Only to know all of it."""
        if not found:
            raise Bug("a listing ended without a pin")
        if found[0].digest != pin.digest:
            raise InputChanged(
                f"{pin.location}: the objects for {pin.target} are not those that the job began with",
                hint="run the job again for the new data",
            )


def _totals(batches: Iterable[Found]) -> tuple[int, int]:
    items = [item for found in batches for item in found.items]
    return len(items), sum(max(item.size_bytes, 0) for item in items)


async def _chained(first: Found | None, rest: AsyncGenerator[Found]) -> AsyncGenerator[Found]:
    async with aclosing(rest):
        if first is not None:
            yield first
        async for found in rest:
            yield found


async def _given(batches: Iterable[Found]) -> AsyncGenerator[Found]:
    for found in batches:
        yield found
