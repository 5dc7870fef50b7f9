"""The urlDownload source against a real web server on this machine that misbehaves on request."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from website import Handler, Site, in_chunks, serves, website

from gadus.config import settings_from
from gadus.core.errors import ChecksumMismatch, InputChanged, StorageUnavailable
from gadus.storage import _web
from gadus.storage.urldownload import Source
from gadus.testing.slots import FileSlot
from gadus.testing.sources import Offer, SourcePromises, content_of

BODY = os.urandom(300_000)
SHA256 = hashlib.sha256(BODY)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with website() as site:
        yield site


class TestContract(SourcePromises):
    @pytest.fixture
    def offer(self, site: Site) -> Offer:
        site.handlers["/dir/data.bin"] = serves(BODY, ETag='"1"')
        return Offer(Source(settings_from()), site.params("/dir/data.bin"), {"data.bin": BODY}, site.params("/missing"))


async def test_server_without_head_is_asked_with_get(site: Site, tmp_path: Path) -> None:
    whole = serves(BODY, ETag='"1"')

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=405) if request.method == "HEAD" else await whole(request)

    site.handlers["/f"] = handle
    item = await site.resolve("/f")
    assert (item.size_bytes, item.etag) == (len(BODY), '"1"')
    assert await site.fetched("/f", tmp_path) == {"f": BODY}


async def test_server_that_tells_no_size_still_gives_its_file(site: Site, tmp_path: Path) -> None:
    site.handlers["/f"] = in_chunks(BODY)
    item = await site.resolve("/f")
    assert (item.size_bytes, item.pinned) == (-1, False)
    slot = await site.fetch("/f", item, tmp_path / "in")
    assert (content_of(tmp_path / "in"), slot.digest) == ({"f": BODY}, f"sha256:{SHA256.hexdigest()}")


async def test_broken_transfer_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    site.handlers["/f"] = serves(BODY, breaks_after=70_000, ETag='"1"')
    slot = await site.fetch("/f", await site.resolve("/f"), tmp_path / "in")
    assert content_of(tmp_path / "in") == {"f": BODY}
    gets = [request for request in site.asked if request.method == "GET"]
    assert len(gets) >= 5
    assert all(request.headers["If-Range"] == '"1"' for request in gets[1:])
    assert sum(end - offset for offset, end in slot.written) == len(BODY)


async def test_broken_transfer_without_etag_starts_again(site: Site, tmp_path: Path) -> None:
    breaking, whole = serves(BODY, breaks_after=70_000), serves(BODY)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await (whole if len(site.asked) > 3 else breaking)(request)

    site.handlers["/f"] = handle
    assert await site.fetched("/f", tmp_path / "in") == {"f": BODY}


@pytest.mark.parametrize("headers", [{}, {"ETag": '"1"', "Accept-Ranges": "none"}], ids=["no etag", "no ranges"])
async def test_partial_file_is_fetched_anew_where_the_server_cannot_continue(
    site: Site, tmp_path: Path, headers: dict[str, str]
) -> None:
    """1. An earlier run left bytes that may be of another file. 2. They are written over, from the start."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=BODY, headers=headers)

    site.handlers["/f"] = handle
    item = await site.resolve("/f")
    slot = FileSlot(item, tmp_path / "whole", tmp_path / "partial", {0: bytes(70_000), 100_000: bytes(70_000)})
    await _fetch_slot(site, slot)
    assert (tmp_path / "whole").read_bytes() == BODY
    assert slot.digest == f"sha256:{SHA256.hexdigest()}"


async def test_transfer_that_never_gets_further_is_given_up(site: Site, tmp_path: Path) -> None:
    site.handlers["/f"] = serves(BODY, breaks_after=1000)
    item = await site.resolve("/f")
    with pytest.raises(StorageUnavailable):
        await site.fetch("/f", item, tmp_path / "in")
    assert len(site.asked) <= 2 + _web.MOST_FRUITLESS_TRIES
    assert content_of(tmp_path) == {}


@pytest.mark.parametrize(
    "now", [serves(BODY[:-1]), serves(BODY + b"x"), serves(BODY[::-1], ETag='"2"'), serves(BODY[::-1])]
)  # fmt: skip
async def test_file_that_was_replaced_after_it_was_found_is_named(site: Site, tmp_path: Path, now: Handler) -> None:
    site.handlers["/f"] = serves(BODY, ETag='"1"')
    item = await site.resolve("/f")
    site.handlers["/f"] = now
    with pytest.raises(InputChanged):
        await site.fetch("/f", item, tmp_path / "in")


async def test_file_that_is_replaced_while_it_is_resumed_is_never_mixed(site: Site, tmp_path: Path) -> None:
    """1. The first half arrives. 2. The file is replaced. 3. The rest is asked for: no byte of it is taken."""
    site.handlers["/f"] = serves(BODY, ETag='"1"')
    item = await site.resolve("/f")
    before, after = serves(BODY, breaks_after=70_000, ETag='"1"'), serves(BODY[::-1], ETag='"2"')

    async def handle(request: web.Request) -> web.StreamResponse:
        return await (after if "Range" in request.headers else before)(request)

    site.handlers["/f"] = handle
    with pytest.raises(InputChanged):
        await site.fetch("/f", item, tmp_path / "in")


async def test_body_of_another_size_than_the_server_said_is_not_taken(site: Site, tmp_path: Path) -> None:
    site.handlers["/f"] = in_chunks(BODY, said_bytes=100)
    with pytest.raises(InputChanged, match="larger than 100"):
        await site.fetched("/f", tmp_path / "1")
    site.handlers["/f"] = in_chunks(BODY, said_bytes=len(BODY) + 1)
    with pytest.raises(StorageUnavailable, match=f"sent {len(BODY)} of"):
        await site.fetched("/f", tmp_path / "2")


async def test_new_start_leaves_nothing_of_the_first(site: Site, tmp_path: Path) -> None:
    """1. A file of unknown size breaks off. 2. A shorter one is in its place. 3. The shorter one arrives, and no more."""
    breaking, shorter = in_chunks(BODY, breaks_off=True), in_chunks(b"short")

    async def handle(request: web.Request) -> web.StreamResponse:
        return await (shorter if len(site.asked) > 3 else breaking)(request)

    site.handlers["/f"] = handle
    assert await site.fetched("/f", tmp_path) == {"f": b"short"}


async def test_pinned_checksum_is_checked(site: Site, tmp_path: Path) -> None:
    site.handlers["/f"] = serves(BODY)
    right = SHA256.hexdigest()
    assert await site.fetched("/f", tmp_path / "1", ChecksumSHA256=right) == {"f": BODY}
    assert (await site.resolve("/f", ChecksumSHA256=right)).pinned
    with pytest.raises(ChecksumMismatch, match=right):
        await site.fetched("/f", tmp_path / "2" / "in", ChecksumSHA256="0" * 64)
    assert content_of(tmp_path / "2") == {}


async def test_server_errors_are_tried_again(site: Site, tmp_path: Path) -> None:
    whole = serves(BODY, ETag='"1"')

    async def handle(request: web.Request) -> web.StreamResponse:
        return await whole(request) if len(site.asked) > 4 else web.Response(status=503)

    site.handlers["/f"] = handle
    assert await site.fetched("/f", tmp_path) == {"f": BODY}


async def _fetch_slot(site: Site, slot: FileSlot) -> None:
    async def slots() -> AsyncIterator[FileSlot]:
        yield slot

    await Source(settings_from()).fetch(site.params("/f"), slots())
