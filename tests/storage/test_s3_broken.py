"""The S3 source on a network that breaks: it goes on where it broke, or a named error; never wrong bytes, never half a file."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from s3_input import Behind, Input

import faultproxy
from faultproxy import Fault, Request
from gadus.contracts import Slot
from gadus.core.errors import ChecksumMismatch, InputChanged, StorageUnavailable
from gadus.testing.slots import FileSlot
from s3_server import Bucket

LARGE = 20 << 20
SMALL = 300_000


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_after=3 << 20),
        Fault(cut_after=3 << 20, reset=False),
        faultproxy.slow_down(),
        faultproxy.internal_error(),
        Fault(cut_after=0),
    ],
    ids=["reset", "ends early", "throttled", "server error", "no body"],
)
async def test_a_broken_transfer_goes_on_where_it_broke(behind: Behind, fault: Fault) -> None:
    body = os.urandom(LARGE)
    behind.bucket.put("k", body)
    behind.proxy.add(fault, key="k", times=2)
    assert await behind.files(Key="k") == {"k": body}


async def test_only_what_is_missing_is_asked_for_again(behind: Behind) -> None:
    body = os.urandom(6 << 20)
    behind.bucket.put("k", body)
    behind.proxy.add(Fault(cut_after=(4 << 20) + 17, reset=False), key="k", nth=1)
    assert await behind.files(Key="k") == {"k": body}
    first, second = behind.gets("k")
    assert first == ""
    assert second.startswith("bytes=")
    assert int(second.removeprefix("bytes=").partition("-")[0]) >= 2 << 20


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "ends early"])
@pytest.mark.parametrize("at", [0, 1, 1000, SMALL - 1])
async def test_a_small_object_cut_anywhere_arrives_with_one_more_request(behind: Behind, at: int, reset: bool) -> None:
    body = os.urandom(SMALL)
    behind.bucket.put("k", body)
    behind.proxy.add(Fault(cut_after=at, reset=reset), key="k", nth=1)
    assert await behind.files(Key="k", ChecksumSHA256=hashlib.sha256(body).hexdigest()) == {"k": body}
    assert len(behind.gets("k")) == 2


@pytest.mark.parametrize("fault", [Fault(cut_after=0), Fault(cut_after=0, reset=False)], ids=["reset", "ends early"])
async def test_a_transfer_that_never_gets_further_is_given_up(behind: Behind, fault: Fault) -> None:
    behind.bucket.put("k", os.urandom(SMALL))
    behind.proxy.add(fault, key="k")
    with pytest.raises(StorageUnavailable, match="breaks off"):
        await behind.files(Key="k")
    assert len(behind.gets("k")) == behind.patience.tries
    assert behind.nothing_is_left


@pytest.mark.parametrize("off_by", [-10, 10])
async def test_a_length_that_is_not_the_listed_one_is_never_taken(behind: Behind, off_by: int) -> None:
    behind.bucket.put("k", os.urandom(1000))
    behind.proxy.add(Fault(length_off_by=off_by), key="k")
    with pytest.raises((InputChanged, StorageUnavailable)):
        await behind.files(Key="k")
    assert behind.nothing_is_left


async def test_a_wrong_length_of_the_moment_is_asked_for_again(behind: Behind) -> None:
    behind.bucket.put("k", b"v" * 1000)
    behind.proxy.add(Fault(length_off_by=-10), key="k", times=2)
    assert await behind.files(Key="k") == {"k": b"v" * 1000}


@pytest.mark.parametrize("size_bytes", [SMALL, LARGE], ids=["small", "large"])
async def test_a_stalled_connection_is_cut_and_continued(behind: Behind, size_bytes: int) -> None:
    behind.patience = replace(behind.patience, stall_seconds=0.3)
    body = os.urandom(size_bytes)
    behind.bucket.put("k", body)
    behind.proxy.add(Fault(stall_after=1000), key="k", nth=1)
    behind.proxy.add(faultproxy.black_hole(), key="k", nth=2)
    assert await behind.files(Key="k") == {"k": body}


async def test_a_service_that_stalls_for_ever_is_given_up(behind: Behind) -> None:
    behind.patience = replace(behind.patience, stall_seconds=0.1)
    behind.bucket.put("k", os.urandom(SMALL))
    behind.proxy.add(Fault(stall_after=0), key="k")
    with pytest.raises(StorageUnavailable, match=r"nothing came for 0\.1 seconds"):
        await behind.files(Key="k")
    assert len(behind.gets("k")) == behind.patience.tries
    assert behind.nothing_is_left


@pytest.mark.parametrize("size_bytes", [SMALL, LARGE], ids=["small", "large"])
async def test_a_flipped_bit_is_found_by_the_pinned_digest(behind: Behind, size_bytes: int) -> None:
    body = os.urandom(size_bytes)
    behind.bucket.put("k", body)
    behind.proxy.add(Fault(flip_at=77), key="k", nth=1)
    with pytest.raises(ChecksumMismatch):
        await behind.files(Key="k", ChecksumSHA256=hashlib.sha256(body).hexdigest())
    assert behind.nothing_is_left


class _SaysAllIsMissing(FileSlot):
    @property
    def missing(self) -> list[tuple[int, int]]:
        return [(0, self.item.size_bytes)]


@pytest.mark.parametrize("kind", [FileSlot, _SaysAllIsMissing])
async def test_the_digest_of_an_empty_object_is_checked_too(behind: Behind, tmp_path: Path, kind: type[FileSlot]) -> None:
    behind.bucket.put("k", b"")
    for number, digest in enumerate((hashlib.sha256(b"").hexdigest(), "0" * 64)):
        asked = behind.params(Key="k", ChecksumSHA256=digest)
        (item,) = await behind.items(Key="k", ChecksumSHA256=digest)
        slot = kind(item, tmp_path / f"whole{number}", tmp_path / f"partial{number}")
        try:
            await behind.source.fetch(asked, _these(slot))
        except ChecksumMismatch:
            assert slot.is_spoilt
        assert slot.is_whole is (number == 0)
    assert behind.gets("k") == []


class _OnFullDisk(FileSlot):
    @property
    def handle(self) -> int:
        return self.full

    full = -1


async def test_a_full_disk_is_no_fault_of_the_service(behind: Behind, tmp_path: Path) -> None:
    behind.bucket.put("k", os.urandom(SMALL))
    (item,) = await behind.items(Key="k")
    slot = _OnFullDisk(item, tmp_path / "whole", tmp_path / "partial")
    slot.full = os.open("/dev/full", os.O_RDWR)
    with pytest.raises(OSError, match="No space left") as caught:
        await behind.source.fetch(behind.params(Key="k"), _these(slot))
    os.close(slot.full)
    slot.close()
    assert caught.value.errno == errno.ENOSPC
    assert behind.gets("k") == [""]


async def test_cancelling_a_transfer_ends_it_at_once(behind: Behind) -> None:
    behind.bucket.put("k", os.urandom(LARGE))
    begun = asyncio.Event()

    async def begin(_: Request) -> None:
        begun.set()

    behind.proxy.add(Fault(before=begin, stall_after=100_000), key="k")
    transfer = asyncio.create_task(behind.files(Key="k"))
    await begun.wait()
    transfer.cancel()
    # At once on an idle machine; a stalled answer is waited for thirty seconds.
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await transfer
    assert behind.nothing_is_left


async def test_an_error_ends_the_transfer_though_the_next_slot_is_long_in_coming(
    bucket: Bucket, given: Input, tmp_path: Path
) -> None:
    """1. One slot is given. 2. Its object is gone. 3. Nobody gives another slot, and the error comes all the same."""
    bucket.put("k", b"v")
    (item,) = await given.items(Key="k")
    bucket.client.delete_object(Bucket=bucket.name, Key="k")
    slot = FileSlot(item, tmp_path / "whole", tmp_path / "partial")

    async def one_and_no_end() -> AsyncIterator[Slot]:
        yield slot
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        with pytest.raises(InputChanged):
            await given.source.fetch(given.params(Key="k"), one_and_no_end())
    slot.close()


async def _these(*slots: Slot) -> AsyncIterator[Slot]:
    for slot in slots:
        yield slot
