"""What a URL names: what is refused at submission, what the file is called, and how far the source looks for it."""

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
from website import Site, answers, serves, website

from gadus.config import settings_from
from gadus.core.errors import InputUnreadable, StorageUnavailable
from gadus.storage import _web
from gadus.storage.urldownload import Source, UrlParams
from gadus.testing.sources import resolved
from ports import held_port

BODY = os.urandom(300_000)
SHA256 = hashlib.sha256(BODY)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with website() as site:
        yield site


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


async def test_weak_etag_pins_nothing(site: Site) -> None:
    site.handlers["/f"] = serves(b"x", ETag='W/"1"')
    assert not (await site.resolve("/f")).pinned
    site.handlers["/f"] = serves(b"x", ETag='"1"')
    assert (await site.resolve("/f")).pinned


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
    with held_port() as port, pytest.raises(StorageUnavailable) as caught:
        await resolved(Source(settings_from()), UrlParams.model_validate({"URL": f"http://127.0.0.1:{port}/f?secret"}))
    assert "secret" not in caught.value.message


async def test_access_is_asked_with_one_small_request(site: Site) -> None:
    site.handlers["/f"] = serves(BODY, ETag='"1"')
    await Source(settings_from()).check_access(site.params("/f"))
    assert [request.method for request in site.asked] == ["HEAD"]
    site.handlers["/f"] = answers(403)
    with pytest.raises(InputUnreadable):
        await Source(settings_from()).check_access(site.params("/f"))
