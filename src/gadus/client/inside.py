"""The routes in this process, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp

from gadus.core.errors import GadusError

from .transport import Answer

_PIECES_WAITING = 16
"""A body is written no further than this ahead of its reader."""
_BROKE = 500
_BREAKS_SECONDS = 1.0


class Inside:
    """Asks an ASGI application as a client on this machine would."""

    server = ""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @asynccontextmanager
    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[Answer]:
        """See `Transport.send`."""
        exchange = _Exchange(body)
        running = asyncio.ensure_future(self._app(_scope(method, target, headers, body), exchange.receive, exchange.send))
        running.add_done_callback(exchange.end)
        try:
            answer = await exchange.answer()
            if answer.status == _BROKE:
                # What broke is known here, and told better than by the answer about it.
                await asyncio.wait([running], timeout=_BREAKS_SECONDS)
                if running.done():
                    running.result()
            yield answer
        finally:
            exchange.gone.set()
            running.cancel()
            await asyncio.wait([running])


class _Exchange:
    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._head: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES_WAITING)
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._head.set_result(message)
        elif message["type"] == "http.response.body":
            if message.get("body"):
                await self._pieces.put(message["body"])
            if not message.get("more_body"):
                await self._pieces.put(None)

    def end(self, running: asyncio.Future[None]) -> None:
        """The application returned, or broke."""
        self._ended.set()
        if running.cancelled():
            return
        self._failure = running.exception()
        if not self._head.done():
            self._head.set_exception(self._failure or RuntimeError("the application gave no answer"))

    async def answer(self) -> Answer:
        head = await self._head
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head["headers"]}
        return Answer(head["status"], headers, self._read())

    async def _read(self) -> AsyncIterator[bytes]:
        while (piece := await self._next()) is not None:
            yield piece
        # What broke while the body was written is not hidden by a body that ends too early.
        if self._failure is not None:
            cause = self._failure.__cause__
            raise cause if isinstance(cause, GadusError) else self._failure

    async def _next(self) -> bytes | None:
        taking, ending = asyncio.ensure_future(self._pieces.get()), asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait([taking, ending], return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
            return self._pieces.get_nowait() if not self._pieces.empty() else None
        finally:
            taking.cancel()
            ending.cancel()


def _scope(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    path, _, query = target.partition("?")
    given = {"host": "localhost", **headers} | ({"content-length": str(len(body))} if body else {})
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 0),
        "server": ("localhost", 0),
        "extensions": {"gadus.inside": {}},
    }
