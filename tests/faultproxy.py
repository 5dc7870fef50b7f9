"""An HTTP proxy in front of a real S3 server that can break, delay, change and count what passes through it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from gadus.testing.seaweedfs import S3Server

CHUNK_BYTES = 64 * 1024
LARGEST_HEAD_BYTES = 64 * 1024
LARGEST_REWRITTEN_BYTES = 64 * 1024 * 1024
TICKS_PER_SECOND = 20
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "expect"}


@dataclass(frozen=True)
class Request:
    """What a client asked for; `target` exactly as it came, `key` and `query` decoded, header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def key(self) -> str:
        """The object's name; "" for the bucket itself."""
        return unquote(urlsplit("http://proxy" + self.target).path.removeprefix("/").partition("/")[2])

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def range(self) -> str:
        """The Range header, e.g. "bytes=0-99"; "" for the whole object."""
        return self.headers.get("range", "")


@dataclass(frozen=True)
class Reply:
    """An answer that the proxy gives itself."""

    status: int
    code: str = ""
    extra_xml: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "made up"

    @property
    def body(self) -> bytes:
        message = escape(self.message)
        return (
            f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>{message}</Message>{self.extra_xml}</Error>".encode()
        )


@dataclass(frozen=True)
class WebPage(Reply):
    """An answer that no S3 service would give."""

    @property
    def body(self) -> bytes:
        return f"<!DOCTYPE html><html><title>{self.message}</title></html>".encode()


@dataclass(frozen=True)
class Fault:
    """
    What happens to one request; everything not set passes unchanged. Byte counts are of this response's body.

    `before` is awaited before the request is passed on. `cut_after` ends the connection there, by a reset or (`reset=False`)
    as if all had been sent. `stall_after` keeps it open and sends no more. `length_off_by` is added to Content-Length.
    `rewrite` gets and gives the whole body. `hides` are headers of the request, in lower case, that the server does not get;
    `adds` are headers of the answer in place of its own.
    """

    before: Callable[[Request], Awaitable[None]] | None = None
    delay_seconds: float = 0.0
    reply: Reply | None = None
    bytes_per_second: int = 0
    cut_after: int | None = None
    reset: bool = True
    stall_after: int | None = None
    flip_at: int | None = None
    length_off_by: int = 0
    rewrite: Callable[[bytes], bytes] | None = None
    hides: tuple[str, ...] = ()
    adds: Mapping[str, str] = field(default_factory=dict)


def slow_down(status: int = 503, *, retry_after: str = "") -> Fault:
    return Fault(reply=Reply(status, "SlowDown", headers={"Retry-After": retry_after} if retry_after else {}))


def internal_error() -> Fault:
    return Fault(reply=Reply(500, "InternalError"))


def black_hole() -> Fault:
    """Not even the head of an answer."""
    return Fault(delay_seconds=3600)


def expired_token() -> Fault:
    return Fault(reply=Reply(403, "ExpiredToken"))


def skewed_clock(server_time: str) -> Fault:
    return Fault(reply=Reply(403, "RequestTimeTooSkewed", f"<ServerTime>{server_time}</ServerTime>"))


def redirect(region: str) -> Fault:
    """The bucket lives in `region`: what AWS says to a request for the wrong one."""
    return Fault(reply=Reply(301, "PermanentRedirect", f"<Region>{region}</Region>", {"x-amz-bucket-region": region}))


def wrong_signing_region(region: str) -> Fault:
    """The request was signed for a region that is not `region`."""
    headers = {"x-amz-bucket-region": region}
    return Fault(reply=Reply(400, "AuthorizationHeaderMalformed", f"<Region>{region}</Region>", headers))


def ignores_range() -> Fault:
    """The whole object comes, whatever was asked for."""
    return Fault(hides=("range",))


def repeated_token(token: str = "again-and-again") -> Fault:
    """A listing that never ends: every page is truncated and names the same next page."""

    def never_last(page: bytes) -> bytes:
        head, _, rest = page.partition(b"<IsTruncated>")
        body, _, _ = rest.partition(b"</IsTruncated>")[2].rpartition(b"</ListBucketResult>")
        end = f"<NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>"
        return head + b"<IsTruncated>true</IsTruncated>" + body + end.encode()

    return Fault(rewrite=never_last)


@dataclass
class Rule:
    """Which requests a fault meets: glob of the key, method, a predicate; `first` and `last` count the matches from 1."""

    fault: Fault
    method: str
    key: str
    when: Callable[[Request], bool]
    first: int
    last: float
    matches: int = 0

    def meets(self, request: Request) -> bool:
        if self.method not in (request.method, "*") or not fnmatchcase(request.key, self.key) or not self.when(request):
            return False
        self.matches += 1
        return self.first <= self.matches <= self.last


class FaultProxy:
    """
    Stands before `server` as long as the ``async with`` lasts; `server` is then how clients reach it through the proxy.

    Requests go through byte for byte, also the Host header, so a signature made for the proxy's address is the one that the
    server checks. `requests` has each of them in order of arrival.
    """

    def __init__(self, upstream: S3Server) -> None:
        self.upstream = upstream
        self.server = upstream
        self.requests: list[Request] = []
        self.most_gets_at_once = 0
        self._gets = 0
        self._rules: list[Rule] = []
        self._stack = contextlib.AsyncExitStack()

    def add(
        self,
        fault: Fault,
        *,
        method: str = "GET",
        key: str = "*",
        when: Callable[[Request], bool] = lambda _: True,
        nth: int | None = None,
        times: int | None = None,
    ) -> None:
        """Apply `fault` to the matching requests: all, only the `nth`, or the first `times`. The first rule that meets wins."""
        last = nth or times or float("inf")
        self._rules.append(Rule(fault, method, key, when, nth or 1, last))

    def seen(self, method: str, key: str = "*") -> list[Request]:
        """The requests so far with this method for an object whose key matches the glob; key "" is the bucket."""
        return [request for request in self.requests if request.method == method and fnmatchcase(request.key, key)]

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = group.create_task(self._converse(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        listener = await asyncio.start_server(accept, "127.0.0.1", 0, limit=LARGEST_HEAD_BYTES)
        self._stack.callback(lambda: [task.cancel() for task in connections])
        self._stack.callback(listener.close)
        self.server = replace(self.upstream, endpoint=f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether the connection can carry another."""
        first_line, headers = await _read_head(reader)
        method, target, _ = first_line.split(" ", 2)
        request = Request(method, target, {name.lower(): value for name, value in headers})
        self.requests.append(request)
        fault = next((rule.fault for rule in self._rules if rule.meets(request)), Fault())
        counted = method == "GET" and request.key != ""
        self._gets += counted
        self.most_gets_at_once = max(self.most_gets_at_once, self._gets)
        try:
            if fault.before:
                await fault.before(request)
            await asyncio.sleep(fault.delay_seconds)
            if fault.reply:
                return await _answer(fault.reply, request, reader, writer)
            return await self._pass_on(request, headers, fault, reader, writer)
        finally:
            self._gets -= counted

    async def _pass_on(
        self,
        request: Request,
        headers: list[tuple[str, str]],
        fault: Fault,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        address = urlsplit(self.upstream.endpoint)
        up_reader, up_writer = await asyncio.open_connection(address.hostname, address.port, limit=LARGEST_HEAD_BYTES)
        with contextlib.closing(up_writer):
            # HTTP/1.0: the server ends the body by closing, and never sends it in chunks.
            passed_on = [(name, value) for name, value in headers if name.lower() not in fault.hides]
            up_writer.write(_head(f"{request.method} {request.target} HTTP/1.0", passed_on))
            async for data in _body_of(request, reader, writer):
                up_writer.write(data)
                await up_writer.drain()
            status_line, answer_headers = await _read_head(up_reader)
            replaced = {name.lower() for name in fault.adds}
            answer_headers = [one for one in answer_headers if one[0].lower() not in replaced] + list(fault.adds.items())
            if request.method == "HEAD":
                writer.write(_head(status_line.replace("HTTP/1.0", "HTTP/1.1"), answer_headers))
                return True
            length = next((int(value) for name, value in answer_headers if name.lower() == "content-length"), None)
            chunks = _chunks(up_reader)
            if fault.rewrite or length is None:
                whole = b"".join([data async for data in chunks])[:LARGEST_REWRITTEN_BYTES]
                whole = fault.rewrite(whole) if fault.rewrite else whole
                length, chunks = len(whole), _one(whole)
            kept = [(name, value) for name, value in answer_headers if name.lower() != "content-length"]
            kept.append(("Content-Length", str(length + fault.length_off_by)))
            writer.write(_head(status_line.replace("HTTP/1.0", "HTTP/1.1"), kept))
            return await _send(chunks, fault, reader, writer)


@pytest.fixture
async def proxy(s3: S3Server) -> AsyncIterator[FaultProxy]:
    """A proxy before the session's S3 server; use ``proxy.server`` to reach it."""
    async with FaultProxy(s3) as running:
        yield running


async def _send(chunks: AsyncIterator[bytes], fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    stop_at = min((at for at in (fault.cut_after, fault.stall_after) if at is not None), default=None)
    sent = 0
    async for whole_chunk in chunks:
        data = whole_chunk
        if fault.flip_at is not None and sent <= fault.flip_at < sent + len(data):
            at = fault.flip_at - sent
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        if stop_at is not None:
            data = data[: stop_at - sent]
        sent += len(data)
        await _drip(data, fault.bytes_per_second, writer)
        if sent == stop_at:
            break
    if sent != stop_at:
        return fault.length_off_by == 0
    if fault.stall_after == stop_at:
        # Only the client can end this, by hanging up.
        await reader.read()
    elif fault.reset:
        _reset_on_close(writer)
    return False


async def _drip(data: bytes, bytes_per_second: int, writer: asyncio.StreamWriter) -> None:
    step = max(1, bytes_per_second // TICKS_PER_SECOND) if bytes_per_second else max(1, len(data))
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await writer.drain()
        if bytes_per_second:
            await asyncio.sleep(1 / TICKS_PER_SECOND)


async def _answer(reply: Reply, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    async for _ in _body_of(request, reader, writer):
        pass
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(reply.body))), *reply.headers.items()]
    writer.write(_head(f"HTTP/1.1 {reply.status} {reply.code}", headers))
    if request.method != "HEAD":
        writer.write(reply.body)
    await writer.drain()
    return True


async def _body_of(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    """The request's body; only clients that say how long it is are understood."""
    left = int(request.headers.get("content-length", "0"))
    if request.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    while left:
        data = await reader.readexactly(min(left, CHUNK_BYTES))
        left -= len(data)
        yield data


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(CHUNK_BYTES):
        yield data


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, list[tuple[str, str]]]:
    head = await reader.readuntil(b"\r\n\r\n")
    first_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    return first_line, [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def _head(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers if name.lower() not in _HOP_BY_HOP]
    return "\r\n".join([first_line, *lines, "", ""]).encode("latin-1")


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
