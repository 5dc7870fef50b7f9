"""The urlDownload source against a real web server on this machine that misbehaves on request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import ValidationError
from website import Handler, Site, answers, in_chunks, serves, website

from gadus.config import settings_from
from gadus.core.errors import ChecksumMismatch, InputChanged, InputUnreadable, StorageUnavailable
from gadus.storage import _web
from gadus.storage.urldownload import Source, UrlParams
from gadus.testing.slots import FileSlot
from gadus.testing.sources import Offer, SourcePromises, content_of, resolved

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


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "invalid url storage params: url cannot be empty"),
        (" '' ", "invalid url storage params: url cannot be empty"),
        ("ftp://host/file", "URLs must begin with 'http' or 'https'. The submitted one began with ftp"),
        ("host/file", "URLs must begin with 'http' or 'https'"),
        ("https://host", "URL must end with a file name"),
        ("https://host?file=/x", "URL must end with a file name"),
        ("https:///file", "names no host"),
        ("http://host:99999/x", ""),
    ],
)
def test_url_that_cannot_be_asked_is_refused_at_submission(url: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        UrlParams.model_validate({"URL": url})
    assert said in str(caught.value)


def test_checksum_is_hex_or_base64_of_32_bytes() -> None:
    for text in (SHA256.hexdigest(), SHA256.hexdigest().upper(), base64.b64encode(SHA256.digest()).decode()):
        assert UrlParams.model_validate({"URL": "http://h/f", "ChecksumSHA256": text}).sha256 == SHA256.hexdigest()
    for text in ("abc", "ü", base64.b64encode(b"short").decode()):
        with pytest.raises(ValidationError):
            UrlParams.model_validate({"URL": "http://h/f", "ChecksumSHA256": text})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/file.csv", "file.csv"),
        ("/a/b%20c.txt?sig=1", "b c.txt"),
        ("/a/", "download"),
        ("/x/%2e%2e", "download"),
        ("/a/..%2Fb", "download"),
    ],
)
async def test_file_is_named_by_the_last_part_of_the_url(site: Site, path: str, name: str) -> None:
    handler = serves(b"x", **{"Content-Disposition": 'attachment; filename="other"'})
    site.handlers |= dict.fromkeys(["/a/file.csv", "/a/b c.txt", "/a/", "/x/..", "/", "/a/../b"], handler)
    item = await site.resolve(path)
    assert item.path == name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="report.csv"', "report.csv"),
        ("attachment; filename*=UTF-8''gr%C3%BC%C3%9Fe.csv", "grüße.csv"),
        ('attachment; filename="../../etc/passwd"', "final.bin"),
        ("", "final.bin"),
    ],
)
async def test_after_a_redirect_the_server_names_the_file(site: Site, disposition: str, name: str) -> None:
    site.handlers["/latest"] = answers(302, Location="v2/final.bin?x=1")
    site.handlers["/v2/final.bin"] = serves(b"x", **({"Content-Disposition": disposition} if disposition else {}))
    item = await site.resolve("/latest")
    assert item.path == name


async def test_redirects_are_followed_to_the_file(site: Site, tmp_path: Path) -> None:
    for hop, status in enumerate((301, 302, 303, 307, 308)):
        site.handlers[f"/{hop}"] = answers(status, Location=site.url(f"/{hop + 1}"))
    site.handlers["/5"] = serves(BODY)
    assert await site.fetched("/0", tmp_path) == {"5": BODY}


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/loop", "more than 10 times"),
        ("file:///etc/passwd", "not http or https"),
        ("ftp://h/x", "not http or https"),
        ("http://[", "no address"),
    ],
)
async def test_redirect_that_leads_nowhere_is_an_error(site: Site, location: str, said: str) -> None:
    site.handlers["/loop"] = answers(302, Location=location)
    with pytest.raises(InputUnreadable, match=said):
        await site.resolve("/loop")
    assert len(site.asked) <= _web.MOST_REDIRECTS + 1


def test_redirect_from_https_to_http_is_not_followed() -> None:
    with pytest.raises(InputUnreadable, match="from https to"):
        _web._next(_web.url_of("https://a/b"), _web.url_of("https://a/b"), "http://a/b")


async def test_signature_in_the_url_is_sent_as_written_and_never_shown(site: Site) -> None:
    seen = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request.raw_path)
        return web.Response(status=403)

    site.handlers["/k+é"] = handle
    with pytest.raises(InputUnreadable) as caught:
        await site.resolve("/%6b+%C3%A9?X-Sig=a%2Fb%2B+secret&e=%7e")
    assert set(seen) == {"/%6b+%C3%A9?X-Sig=a%2Fb%2B+secret&e=%7e"}
    assert "secret" not in caught.value.message + caught.value.hint
    site.handlers["/k+é"] = serves(b"x", ETag='"1"')
    found = await resolved(Source(settings_from()), site.params("/%6b+%C3%A9?X-Sig=secret"))
    assert "secret" not in repr(found)


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
    assert (content_of(tmp_path / "in"), slot.sha256) == ({"f": BODY}, SHA256.hexdigest())


async def test_weak_etag_pins_nothing(site: Site) -> None:
    site.handlers["/f"] = serves(b"x", ETag='W/"1"')
    assert not (await site.resolve("/f")).pinned
    site.handlers["/f"] = serves(b"x", ETag='"1"')
    assert (await site.resolve("/f")).pinned


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
    assert slot.sha256 == SHA256.hexdigest()


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


@pytest.mark.parametrize("status", [401, 403, 404, 410, 418])
async def test_refusal_is_the_authors_error_at_once(site: Site, status: int) -> None:
    site.handlers["/f"] = answers(status)
    with pytest.raises(InputUnreadable, match=f"received non-OK response code {status} while fetching size") as caught:
        await site.resolve("/f")
    assert caught.value.hint
    assert len(site.asked) == 2


async def test_server_that_is_not_there_or_speaks_no_http_may_be_tried_later(site: Site) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp ready\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StorageUnavailable):
            await resolved(Source(settings_from()), UrlParams.model_validate({"URL": f"http://127.0.0.1:{port}/f?secret"}))
    with pytest.raises(StorageUnavailable) as caught:
        await resolved(Source(settings_from()), UrlParams.model_validate({"URL": f"http://127.0.0.1:{port}/f?secret"}))
    assert "secret" not in caught.value.message


async def test_access_is_asked_with_one_small_request(site: Site) -> None:
    site.handlers["/f"] = serves(BODY, ETag='"1"')
    await Source(settings_from()).check_access(site.params("/f"))
    assert [request.method for request in site.asked] == ["HEAD"]
    site.handlers["/f"] = answers(403)
    with pytest.raises(InputUnreadable):
        await Source(settings_from()).check_access(site.params("/f"))


async def _fetch_slot(site: Site, slot: FileSlot) -> None:
    async def slots() -> AsyncIterator[FileSlot]:
        yield slot

    await Source(settings_from()).fetch(site.params("/f"), slots())
