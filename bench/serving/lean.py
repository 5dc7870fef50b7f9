"""Requests over kept connections at the least cost for who sends them: the machine is the server's, who is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class _Connection(asyncio.Protocol):
    """One request at a time; its answer must say its length."""

    def __init__(self) -> None:
        self._held = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the server has ended the connection"))

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(_END)
        if not end:
            return
        _, said, rest = head.lower().partition(_LENGTH)
        if not said:
            self._end(RuntimeError(f"an answer without its length: {head!r}"))
        elif len(body) >= int(rest.partition(b"\r\n")[0]):
            self._held = b""
            self._end((int(head[9:12]), body))

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Status and body of the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def _end(self, result: tuple[int, bytes] | Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)


class Submitting:
    """One job, submitted again and again over connections that are free; who finds none waits."""

    def __init__(self, connections: list[_Connection], url: str, job: dict[str, Any]) -> None:
        body = json.dumps({"Job": job}).encode()
        head = (
            "PUT /api/v1/orchestrator/jobs HTTP/1.1",
            f"Host: {urlsplit(url).netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        self._request = "\r\n".join(head).encode() + _END + body
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()
        for connection in connections:
            self._free.put_nowait(connection)

    async def submit(self) -> str:
        """The id of an accepted job. Raises RuntimeError for one that is refused."""
        connection = await self._free.get()
        status, body = await connection.ask(self._request)
        self._free.put_nowait(connection)
        told = json.loads(body)
        if status != 200:
            raise RuntimeError(f"the job was not accepted: {told}")
        return str(told["JobID"])


@asynccontextmanager
async def submitting(url: str, job: dict[str, Any], *, connections: int) -> AsyncIterator[Submitting]:
    """So many connections for this job, while the block lasts."""
    loop, address = asyncio.get_running_loop(), urlsplit(url)
    made: list[_Connection] = []
    try:
        while len(made) < connections:
            _, one = await loop.create_connection(_Connection, address.hostname or "", address.port or 0)
            made.append(one)
        yield Submitting(made, url, job)
    finally:
        for one in made:
            one.transport.close()
