"""Inputs that are one execution's own: what is told of them, and what is left."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from staging import LOCATION, Fetching, bodies, claimed, content_of, crc_of, item, items

from descriptors import opened
from gadus.contracts import Found, Silent, Slot
from gadus.core.errors import StorageUnavailable
from gadus.core.manifest import Item
from gadus.runner.private import fetched_alone
from gadus.runner.reported import Reported


class Staged(Silent):
    """Adds up what is told."""

    def __init__(self) -> None:
        self.objects = self.size_bytes = 0

    def staged(self, objects: int, size_bytes: int, *, cached: bool = False) -> None:
        self.objects += objects
        self.size_bytes += size_bytes


async def test_everything_is_fetched_into_the_directory_with_a_record(tmp_path: Path) -> None:
    wanted, staged = [*items(3), item("empty", 0)], Staged()
    reported = Reported(staged)
    async with reported.telling():
        tree = await fetched_alone([Found(LOCATION, wanted, ["d/e"])], tmp_path / "0", Fetching(), reported)
    assert content_of(tree.path) == bodies(wanted)
    assert (tree.path / "d/e").is_dir()
    assert (tree.objects, tree.size_bytes, staged.objects, staged.size_bytes) == (4, 300, 4, 300)
    assert dict(tree.verified) == {"CRC64NVME": 4}
    lines = [json.loads(line) for line in tree.record.read_text().splitlines()]
    assert [(line["key"], line["bytes"]) for line in lines] == [(one.key, one.size_bytes) for one in wanted]
    assert {line["came"] for line in lines} == {"fetched"}


@pytest.mark.parametrize("size_bytes", [1000, -1])
async def test_bytes_of_a_download_that_starts_over_count_once(tmp_path: Path, size_bytes: int) -> None:
    staged = Staged()
    reported = Reported(staged)

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        slot = await claimed(slots)
        # Two stretches, the later one first; then from the start.
        for offset, end in ((400, 600), (0, 200), (0, 500), (500, 1000)):
            os.pwrite(slot.handle, bytes(end - offset), offset)
            slot.wrote(offset, end)
        slot.whole(crc_of(bytes(1000)))

    async with reported.telling():
        tree = await fetched_alone([Found(LOCATION, [Item("k", "p", size_bytes)])], tmp_path / "0", fetch, reported)
    assert (tree.size_bytes, staged.size_bytes) == (1000, 1000)


async def test_a_fetch_that_fails_leaves_no_file_open(tmp_path: Path) -> None:
    async def fetch(slots: AsyncIterator[Slot]) -> None:
        await claimed(slots)
        raise StorageUnavailable("gone")

    before = opened()
    with pytest.raises(StorageUnavailable):
        await fetched_alone([Found(LOCATION, items(2))], tmp_path / "0", fetch, Reported(Staged()))
    assert opened() <= before
