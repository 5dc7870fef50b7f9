"""A web server on this machine whose every answer a test writes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from gadus.config import settings_from
from gadus.core.manifest import Item
from gadus.storage.urldownload import Source, UrlParams
from gadus.testing.slots import FileSlot
from gadus.testing.sources import content_of, fetch_into, fetch_items, items_of, resolved

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Site:
    """A web server whose answers a test writes: handlers by path, and all requests in order."""

    server: TestServer
    handlers: dict[str, Handler] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.port}{path}"

    def params(self, path: str, **more: str) -> UrlParams:
        return UrlParams.model_validate({"URL": self.url(path), **more})

    async def resolve(self, path: str, **more: str) -> Item:
        (item,) = items_of(await resolved(Source(settings_from()), self.params(path, **more)))
        return item

    async def fetched(self, path: str, into: Path, **more: str) -> dict[str, bytes]:
        await fetch_into(into, Source(settings_from()), self.params(path, **more))
        return content_of(into)

    async def fetch(self, path: str, item: Item, into: Path) -> FileSlot:
        """Only the second half: `item` was resolved before."""
        (slot,) = await fetch_items(into, Source(settings_from()), self.params(path), [item])
        return slot


@asynccontextmanager
async def website() -> AsyncIterator[Site]:
    """A site that answers on loopback while the block lasts."""

    async def handle(request: web.Request) -> web.StreamResponse:
        site.asked.append(request)
        handler = site.handlers.get(request.path)
        return await handler(request) if handler else web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    site = Site(TestServer(app))
    async with site.server:
        yield site


def serves(body: bytes, *, breaks_after: int = 0, **headers: str) -> Handler:
    """A file with ranges; every GET breaks off after so many bytes."""

    async def handle(request: web.Request) -> web.StreamResponse:
        start, end, status = 0, len(body), 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if wanted and "ETag" in headers and request.headers.get("If-Range") == headers["ETag"]:
            start, end, status = int(wanted[1]), int(wanted[2] or len(body) - 1) + 1, 206
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(end - start)})
        if status == 206:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
        await response.prepare(request)
        if request.method == "GET":
            await response.write(body[start : min(start + breaks_after, end)] if breaks_after else body[start:end])
            if breaks_after and start + breaks_after < end:
                assert request.transport is not None
                request.transport.close()
        return response

    return handle


def in_chunks(body: bytes, *, said_bytes: int | None = None, breaks_off: bool = False) -> Handler:
    """A file whose GET does not tell its size; a HEAD may."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD" and said_bytes is not None:
            return web.Response(headers={"Content-Length": str(said_bytes)})
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        if request.method == "GET":
            await response.write(body)
            if breaks_off:
                assert request.transport is not None
                request.transport.close()
        return response

    return handle


def answers(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return handle
