"""Objects that are replaced or removed while they are fetched: an error that names them, never bytes of two generations."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from s3_input import Behind, Input

from faultproxy import Fault, FaultProxy, Request
from gadus.core.errors import InputChanged
from gadus.s3.patience import Patience
from hostile_s3 import HostileS3

LARGE = 20 << 20


async def test_an_object_replaced_after_the_listing_is_an_error_that_names_it(behind: Behind) -> None:
    behind.bucket.put("d/one", b"old")

    async def replace(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.put, "d/one", b"new")

    behind.proxy.add(Fault(before=replace), key="d/one", nth=1)
    with pytest.raises(InputChanged, match="d/one was replaced after it was listed"):
        await behind.files(Key="d/")
    assert behind.gets("d/one") == [""]
    assert behind.nothing_is_left


async def test_an_object_replaced_between_two_parts_never_gives_a_mixture(behind: Behind) -> None:
    behind.bucket.put("k", bytes(LARGE))

    async def replace(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.put, "k", b"\1" * LARGE)

    behind.proxy.add(Fault(before=replace), key="k", nth=3)
    with pytest.raises(InputChanged, match="k was replaced"):
        await behind.files(Key="k")
    assert behind.nothing_is_left


async def test_an_object_replaced_before_it_is_continued_never_gives_a_mixture(behind: Behind) -> None:
    """1. Half of a small object comes. 2. It is replaced by one of the same size. 3. The rest is asked for."""
    behind.bucket.put("k", b"\0" * 300_000)

    async def replace(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.put, "k", b"\1" * 300_000)

    behind.proxy.add(Fault(cut_after=150_000, reset=False), key="k", nth=1)
    behind.proxy.add(Fault(before=replace), key="k", nth=1)
    with pytest.raises(InputChanged, match="k was replaced"):
        await behind.files(Key="k")
    assert behind.nothing_is_left


async def test_an_object_deleted_after_the_listing_is_an_error_that_names_it(behind: Behind) -> None:
    behind.bucket.put("d/one", b"1")

    async def delete(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.client.delete_object, Bucket=behind.bucket.name, Key="d/one")

    behind.proxy.add(Fault(before=delete), key="d/one", nth=1)
    with pytest.raises(InputChanged, match="d/one was removed after it was listed"):
        await behind.files(Key="d/")
    assert behind.nothing_is_left


async def test_what_was_whole_before_the_change_is_whole(behind: Behind) -> None:
    for number in range(20):
        behind.bucket.put(f"d/{number}", b"%d" % number)

    async def replace(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.put, "d/7", b"new")

    behind.proxy.add(Fault(before=replace), key="d/7", nth=1)
    with pytest.raises(InputChanged, match="d/7 was replaced"):
        await behind.files(Key="d/")
    assert all(body == name.encode() for name, body in behind.arrived.items())
    assert "7" not in behind.arrived


async def test_a_service_that_ignores_if_match_is_still_found_out(hostile_s3: HostileS3, hostile: Input) -> None:
    hostile_s3.put("k", b"what it is", listed_etag='"what the listing said"')
    with pytest.raises(InputChanged):
        await hostile.files(Key="k*")
    assert hostile.nothing_is_left


async def test_another_size_than_the_listed_one_is_never_taken(hostile_s3: HostileS3, hostile: Input) -> None:
    for said in ("9", "11"):
        hostile_s3.put("k", b"ten bytes.", listed_size=said, listed_etag="")
        with pytest.raises(InputChanged):
            await hostile.files(Key="k*")
        assert hostile.nothing_is_left


async def test_parts_of_an_object_that_was_listed_without_etag_are_of_the_generation_of_the_first(
    hostile_s3: HostileS3, tmp_path: Path
) -> None:
    """1. The first part is answered. 2. The object is replaced. 3. The other parts are asked for."""
    hostile_s3.put("k", bytes(LARGE), listed_etag="")
    replaced = asyncio.Event()

    def replace_behind(part: bytes) -> bytes:
        hostile_s3.put("k", b"\1" * LARGE, listed_etag="")
        replaced.set()
        return part

    async def wait(_: Request) -> None:
        await replaced.wait()

    async with FaultProxy(hostile_s3.server) as proxy:
        proxy.add(Fault(rewrite=replace_behind), key="k", when=lambda request: request.range.startswith("bytes=0-"), nth=1)
        proxy.add(Fault(before=wait), key="k")
        given = Input("bucket", proxy.server.endpoint, tmp_path)
        given.patience = Patience(first_pause_seconds=0.001)
        with pytest.raises(InputChanged):
            await given.files(Key="k*")
        assert given.nothing_is_left
