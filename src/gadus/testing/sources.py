"""
The promises of the contract `Source`, as tests that every source runs.

Subclass `SourcePromises` in a test module and give its fixture `offer`: how to put data where the source finds it.
"""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import BaseModel

from gadus.contracts import Found, Slot, Source
from gadus.core import checksums
from gadus.core.errors import GadusError
from gadus.core.manifest import Item
from gadus.core.tree import check_paths

from .slots import FileSlot

CANCELLED_WITHIN_SECONDS = 2.0
NAMELESS = "file"
"""What a file is called here whose path is the target itself."""


@dataclass(frozen=True)
class Offer:
    """
    A source with something to fetch: `content` by relative path, and params that name nothing at all.

    `asks_somebody` is False for a source that has no service to ask about access.
    """

    source: Source[Any]
    params: BaseModel
    content: Mapping[str, bytes]
    missing: BaseModel
    asks_somebody: bool = True


async def resolved(source: Source[Any], params: BaseModel) -> list[Found]:
    """Everything the input consists of."""
    async with aclosing(source.resolve(params)) as batches:
        return [found async for found in batches]


def items_of(batches: Iterable[Found]) -> list[Item]:
    """Every object, in order."""
    return [item for found in batches for item in found.items]


def directories_of(batches: Iterable[Found]) -> list[str]:
    """Every directory that may stay empty, in order."""
    return [directory for found in batches for directory in found.directories]


async def fetch_into(directory: Path, source: Source[Any], params: BaseModel) -> list[FileSlot]:
    """Resolve and fetch everything into `directory`: each file appears at its own path when it is whole, and not before."""
    batches = await resolved(source, params)
    items = items_of(batches)
    check_paths({item.key: item.path for item in items if item.path}, directories_of(batches))
    return await fetch_items(directory, source, params, items)


async def fetch_items(directory: Path, source: Source[Any], params: BaseModel, items: Sequence[Item]) -> list[FileSlot]:
    """Fetch these objects into `directory`; returns their slots, all whole. On any error what is not whole is gone."""
    directory.mkdir(parents=True, exist_ok=True)
    slots: list[FileSlot] = []
    with TemporaryDirectory(dir=directory.parent) as partials:

        async def opened() -> AsyncIterator[Slot]:
            for item in items:
                slots.append(FileSlot(item, directory / (item.path or NAMELESS), Path(partials, str(len(slots)))))
                yield slots[-1]

        try:
            await source.fetch(params, opened())
            assert [slot.item for slot in slots if not slot.is_whole] == [], "the fetch ended before all was whole"
            assert len(slots) == len(items), "the fetch ended before it had taken every slot"
        finally:
            for slot in slots:
                slot.close()
    return slots


def content_of(directory: Path) -> dict[str, bytes]:
    """Every file below `directory` by relative path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


HERE_ALREADY = {
    "nothing": [],
    "its beginning": [(0, 1 / 3)],
    "its end": [(1 / 2, 1)],
    "two pieces in its midst": [(1 / 5, 2 / 5), (3 / 5, 4 / 5)],
    "everything": [(0, 1)],
}


class SourcePromises(ABC):
    """What holds for every source. The fixture `offer` is the subclass's to give."""

    pytestmark = pytest.mark.asyncio

    @abstractmethod
    def offer(self) -> Any:
        """A fixture that gives an `Offer`; it may ask for other fixtures. One object at least has 5 bytes."""

    async def test_every_byte_arrives_at_its_path_and_stays(self, offer: Offer, tmp_path: Path) -> None:
        slots = await fetch_into(tmp_path / "in", offer.source, offer.params)
        assert content_of(tmp_path / "in") == {path or NAMELESS: body for path, body in offer.content.items()}
        assert not [path for path in (tmp_path / "in").rglob("*") if path.is_file() and path.stat().st_mode & 0o222]
        assert sorted(slot.item.path for slot in slots) == sorted(offer.content)

    async def test_what_is_said_of_the_bytes_is_true_of_them(self, offer: Offer, tmp_path: Path) -> None:
        for slot in await fetch_into(tmp_path / "in", offer.source, offer.params):
            body = offer.content[slot.item.path]
            algorithm = slot.digest.partition(":")[0]
            if algorithm == "sha256":
                assert slot.digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
            elif algorithm:
                assert slot.digest == checksums.as_text(algorithm, checksums.update(algorithm, body))
            assert algorithm or not slot.compared

    async def test_the_listing_says_what_there_is_before_it_is_fetched(self, offer: Offer) -> None:
        batches = await resolved(offer.source, offer.params)
        assert {item.path: item.size_bytes for item in items_of(batches)} == {
            path: len(body) for path, body in offer.content.items()
        }
        assert len({found.location for found in batches}) == 1
        check_paths({item.key: item.path for item in items_of(batches) if item.path}, directories_of(batches))

    async def test_the_same_data_gives_the_same_listing(self, offer: Offer) -> None:
        first, second = await resolved(offer.source, offer.params), await resolved(offer.source, offer.params)
        assert items_of(first) == items_of(second)
        assert directories_of(first) == directories_of(second)
        assert first[0].location == second[0].location

    async def test_any_part_of_the_listing_can_be_fetched_alone_in_any_order(self, offer: Offer, tmp_path: Path) -> None:
        items = items_of(await resolved(offer.source, offer.params))
        for number, some in enumerate((items[-1:], items[::-2], items[::-1])):
            directory = tmp_path / str(number) / "in"
            directory.parent.mkdir()
            await fetch_items(directory, offer.source, offer.params, some)
            assert content_of(directory) == {item.path or NAMELESS: offer.content[item.path] for item in some}

    @pytest.mark.parametrize("here", HERE_ALREADY.values(), ids=HERE_ALREADY.keys())
    async def test_only_what_is_missing_of_an_object_is_fetched(
        self, offer: Offer, tmp_path: Path, here: list[tuple[float, float]]
    ) -> None:
        item = max(items_of(await resolved(offer.source, offer.params)), key=lambda one: one.size_bytes)
        body = offer.content[item.path]
        given = [(int(begin * len(body)), int(end * len(body))) for begin, end in here]
        slot = FileSlot(item, tmp_path / "whole", tmp_path / "partial", {begin: body[begin:end] for begin, end in given})
        await offer.source.fetch(offer.params, _these(slot))
        assert slot.is_whole
        assert (tmp_path / "whole").read_bytes() == body
        assert not [one for one in slot.written for begin, end in given if one[0] < end and begin < one[1]]

    async def test_what_somebody_else_is_bringing_is_left_alone(self, offer: Offer, tmp_path: Path) -> None:
        items = items_of(await resolved(offer.source, offer.params))
        slots = [FileSlot(item, tmp_path / f"whole{n}", tmp_path / f"partial{n}") for n, item in enumerate(items)]
        slots[0].is_elsewhere = True
        await offer.source.fetch(offer.params, _these(*slots))
        assert [slot.is_whole for slot in slots] == [False] + [True] * (len(slots) - 1)
        assert slots[0].is_claimed
        assert not (tmp_path / "partial0").exists()

    async def test_a_fetch_of_nothing_is_done_at_once(self, offer: Offer) -> None:
        await offer.source.fetch(offer.params, _these())

    async def test_a_cancelled_fetch_ends_at_once_and_leaves_its_slots_alone(self, offer: Offer, tmp_path: Path) -> None:
        """1. One slot is given. 2. The fetch waits for the next. 3. It is cancelled. 4. The first slot is closed."""
        item = items_of(await resolved(offer.source, offer.params))[0]
        slot = FileSlot(item, tmp_path / "whole", tmp_path / "partial")
        waiting = asyncio.Event()

        async def one_and_no_end() -> AsyncIterator[Slot]:
            yield slot
            waiting.set()
            await asyncio.Event().wait()

        fetch = asyncio.create_task(_fetched(offer, one_and_no_end()))
        await waiting.wait()
        fetch.cancel()
        async with asyncio.timeout(CANCELLED_WITHIN_SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await fetch
        slot.close()

    async def test_what_is_there_may_be_read(self, offer: Offer) -> None:
        await offer.source.check_access(offer.params)

    async def test_what_is_not_there_is_a_named_error(self, offer: Offer) -> None:
        with pytest.raises(GadusError) as caught:
            await resolved(offer.source, offer.missing)
        assert not caught.value.can_retry
        assert caught.value.hint

    async def test_access_to_what_is_not_there_is_a_named_error(self, offer: Offer) -> None:
        if not offer.asks_somebody:
            await offer.source.check_access(offer.missing)
            return
        with pytest.raises(GadusError) as caught:
            await offer.source.check_access(offer.missing)
        assert not caught.value.can_retry
        assert caught.value.hint


async def _fetched(offer: Offer, slots: AsyncIterator[Slot]) -> None:
    await offer.source.fetch(offer.params, slots)


async def _these(*slots: Slot) -> AsyncIterator[Slot]:
    for slot in slots:
        yield slot
