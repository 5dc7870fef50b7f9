"""An S3 server in memory that says exactly what a test tells it, however wrong; it checks no signature."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes
from xml.sax.saxutils import escape

import pytest
from aiohttp import web

from gadus.testing.seaweedfs import S3Server

PAGE_KEYS = 1000


@dataclass(frozen=True)
class Stored:
    """One object. `listed_size` and `listed_etag` are what listings say, true or not; a listing may also leave the ETag out."""

    body: bytes = b""
    listed_size: str | None = None
    listed_etag: str | None = None

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


@dataclass
class HostileS3:
    """
    One bucket, named ``bucket``. Keys are bytes and go out as they are: percent-encoded when the client asks for
    ``encoding-type=url`` and `honours_encoding` is set, else raw, as character references where XML allows them.

    `endless` makes every listing continue for ever, with new keys; `repeated_token` makes each page name the same next one.
    `name` is what it says in its Server header; a page of a listing takes `page_seconds`.
    `requests` counts "LIST", "GET" and "HEAD", and "start-after" the LISTs that begin there; `keys_asked` has the key of each
    GET and HEAD.
    """

    objects: dict[bytes, Stored] = field(default_factory=dict)
    honours_encoding: bool = True
    endless: bool = False
    repeated_token: str = ""
    page_keys: int = PAGE_KEYS
    region: str = "us-east-1"
    name: str = "hostile"
    page_seconds: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    keys_asked: list[bytes] = field(default_factory=list)
    server: S3Server = field(default_factory=lambda: S3Server("", "any", "any"))

    def put(self, key: bytes | str, body: bytes = b"", **listed: Any) -> None:
        """Store `body`; `listed` says what listings claim, see `Stored`."""
        self.objects[key.encode() if isinstance(key, str) else key] = Stored(body, **listed)

    def answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """The whole protocol: status, headers and body for a raw request target."""
        path, _, query_text = target.partition("?")
        bucket, _, raw_key = path.removeprefix("/").partition("/")
        query = {name: unquote_to_bytes(value.replace("+", " ")) for name, _, value in _pairs(query_text)}
        if bucket != "bucket":
            return _error(404, "NoSuchBucket")
        if method not in ("GET", "HEAD"):
            return _error(405, "MethodNotAllowed")
        if not raw_key and method == "HEAD":
            return 200, {"x-amz-bucket-region": self.region}, b""
        if not raw_key:
            self.requests["LIST"] += 1
            self.requests["start-after"] += "start-after" in query
            return 200, {"Content-Type": "application/xml"}, self._page(query)
        self.requests[method] += 1
        key = unquote_to_bytes(raw_key)
        self.keys_asked.append(key)
        stored = self.objects.get(key)
        if stored is None:
            return _error(404, "NoSuchKey")
        return _object(stored, headers)

    def _page(self, query: dict[str, bytes]) -> bytes:
        prefix = query.get("prefix", b"")
        token = b"" if self.repeated_token else unquote_to_bytes(query.get("continuation-token", b""))
        after = max(token, query.get("start-after", b""))
        most = min(int(query.get("max-keys", b"1000")), self.page_keys)
        found = list(islice(self._after(prefix, after), most + 1))
        page, truncated = found[:most], len(found) > most or bool(self.repeated_token)
        encoded = self.honours_encoding and query.get("encoding-type") == b"url"
        token = self.repeated_token.encode() or (page[-1][0] if page else b"")
        parts = [
            b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
            b"<Name>bucket</Name><Prefix>%s</Prefix>" % _spelled(prefix, encoded=encoded),
            b"<KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys>" % (len(page), most),
            b"<EncodingType>url</EncodingType>" if encoded else b"",
            b"<IsTruncated>%s</IsTruncated>" % (b"true" if truncated else b"false"),
            # A token is opaque: percent-encoding keeps any key in it harmless.
            b"<NextContinuationToken>%s</NextContinuationToken>" % quote_from_bytes(token).encode() if truncated else b"",
            *(_contents(key, stored, encoded=encoded) for key, stored in page),
            b"</ListBucketResult>",
        ]
        return b"".join(parts)

    def _after(self, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, Stored]]:
        if self.endless:
            start = int(after.rpartition(b"-")[2]) + 1 if after else 0
            yield from ((prefix + b"endless-%012d" % number, Stored()) for number in count(start))
        yield from ((key, self.objects[key]) for key in sorted(self.objects) if key.startswith(prefix) and key > after)


@pytest.fixture
async def hostile_s3() -> AsyncIterator[HostileS3]:
    """The server, reachable at ``hostile_s3.server`` in the bucket ``bucket``."""
    hostile = HostileS3()

    async def handle(request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answer_headers, body = hostile.answer(request.method, request.raw_path, headers)
        if "list-type" in request.raw_path:
            await asyncio.sleep(hostile.page_seconds)
        return web.Response(status=status, headers={**answer_headers, "Server": hostile.name}, body=body)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    hostile.server = S3Server(f"http://{host}:{port}", "any", "any")
    yield hostile
    await runner.cleanup()


def _pairs(query: str) -> Iterator[tuple[str, str, str]]:
    return (pair.partition("=") for pair in query.split("&") if pair)


def _contents(key: bytes, stored: Stored, *, encoded: bool) -> bytes:
    etag = stored.etag if stored.listed_etag is None else stored.listed_etag
    size = str(len(stored.body)) if stored.listed_size is None else stored.listed_size
    return (
        b"<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>%s<Size>%s</Size>"
        b"<StorageClass>STANDARD</StorageClass></Contents>"
        % (
            _spelled(key, encoded=encoded),
            b"<ETag>%s</ETag>" % escape(etag, {'"': "&quot;"}).encode() if etag else b"",
            size.encode(),
        )
    )


def _spelled(key: bytes, *, encoded: bool) -> bytes:
    """The key as a service writes it: percent-encoded, or raw with references for what markup would swallow."""
    if encoded:
        return quote_from_bytes(key, safe=b"/*-._").encode()
    text = escape(key.decode("utf-8", "surrogateescape"))
    spelled = "".join(f"&#{ord(letter)};" if ord(letter) < 32 or letter == "\x7f" else letter for letter in text)
    return spelled.encode("utf-8", "surrogateescape")


def _object(stored: Stored, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    wanted = headers.get("if-match", "*")
    if wanted not in ("*", stored.etag, stored.etag.strip('"')):
        return _error(412, "PreconditionFailed")
    answer = {"ETag": stored.etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    size = len(stored.body)
    first, _, last = headers.get("range", "").removeprefix("bytes=").partition("-")
    if not (first or last):
        return 200, answer, stored.body
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size:
        return _error(416, "InvalidRange")
    return 206, {**answer, "Content-Range": f"bytes {start}-{end}/{size}"}, stored.body[start : end + 1]


def _error(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
    return status, {"Content-Type": "application/xml"}, body
