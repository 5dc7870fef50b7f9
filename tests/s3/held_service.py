"""A service that answers when a test says so and counts what is in flight, and a client that fetches from it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from raw_server import answer

from gadus.contracts import Slot
from gadus.core.manifest import Item
from gadus.s3.bucket import Bucket
from gadus.s3.credentials import Chain
from gadus.s3.lanes import Lanes
from gadus.s3.location import locate
from gadus.s3.patience import Patience
from gadus.s3.requests import Requests
from gadus.s3.transfer import transfer
from gadus.testing.slots import FileSlot

PATIENCE_SECONDS = 20
HOLD = b"(hold)"
"""In place of an answer: none, until the client hangs up."""
RESET = b"(reset)"
"""In place of an answer: the connection is reset."""


@dataclass
class HeldService:
    """
    Objects by key. `instead` has the answers to the first requests for a key, in place of its body; each ends its connection.

    Nothing is answered before `together` requests have been in flight at once. A request is in flight until just before the
    last of its answer is sent, so that nobody who keeps to a limit can be counted above it. `asked` has the key, the moment
    and the number in flight of each request, in order; `seen` is called for each.
    """

    objects: Mapping[str, bytes]
    together: int = 1
    instead: dict[str, deque[bytes]] = field(default_factory=lambda: defaultdict(deque))
    seen: Callable[[int], None] = lambda _: None
    asked: list[tuple[str, float, int]] = field(default_factory=list)
    in_flight: int = 0
    connections: int = 0
    port: int = 0
    _met: asyncio.Event = field(default_factory=asyncio.Event)
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    def gets(self, key: str) -> int:
        return sum(one == key for one, _, _ in self.asked)

    async def until_met(self) -> None:
        """Wait until `together` requests are in flight."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._met.wait()

    async def until_left(self) -> None:
        """Wait until no connection is open."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.connections:
                self._left.clear()
                await self._left.wait()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer):
                pass
        writer.close()
        self.connections -= 1
        self._left.set()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can serve again."""
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        key = first.split(" ")[1].removeprefix("/bucket/")
        self.in_flight += 1
        self.asked.append((key, asyncio.get_running_loop().time(), self.in_flight))
        self.seen(self.in_flight)
        if self.in_flight >= self.together:
            self._met.set()
        await self._met.wait()
        instead = self.instead[key].popleft() if self.instead[key] else None
        if instead == HOLD:
            await reader.read()
        self.in_flight -= 1
        if instead == RESET:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        if instead in (HOLD, RESET):
            return False
        writer.write(instead or self._object(key, headers.get("range", "")))
        await writer.drain()
        return instead is None

    def _object(self, key: str, asked_for: str) -> bytes:
        body = self.objects[key]
        if not asked_for:
            return answer(body, headers='ETag: "1"\r\n')
        begin, _, last = asked_for.removeprefix("bytes=").partition("-")
        span = f"bytes {begin}-{last}/{len(body)}"
        part = body[int(begin) : int(last) + 1]
        return answer(part, status="206 Partial Content", headers=f'ETag: "1"\r\nContent-Range: {span}\r\n')


@asynccontextmanager
async def held_service(objects: Mapping[str, bytes], *, together: int = 1) -> AsyncIterator[HeldService]:
    service = HeldService(objects, together)
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(group.create_task(service.converse(reader, writer)))

        async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
            service.port = server.sockets[0].getsockname()[1]
            yield service
        for task in tasks:
            task.cancel()


class Fetching:
    """Fetches objects of a service on loopback, without credentials: what arrives, and by which slots."""

    def __init__(self, port: int, directory: Path, patience: Patience | None = None) -> None:
        requests = Requests(Chain())
        requests.patience = patience or Patience(first_pause_seconds=0.001, longest_pause_seconds=0.01)
        location = locate("bucket", endpoint=f"http://127.0.0.1:{port}", anonymous=True)
        self.bucket = Bucket(location, Chain(), requests)
        self.lanes = Lanes(idle_seconds=0.01)
        self.slots: dict[str, FileSlot] = {}
        self._directory = directory

    async def fetch(self, objects: Mapping[str, bytes]) -> None:
        """Ask for all at once, in this order."""
        self.slots = {key: self._slot(key, len(body)) for key, body in objects.items()}
        await self.fetch_into(self.slots.values())

    async def fetch_into(self, slots: Iterable[Slot]) -> None:
        async def given() -> AsyncIterator[Slot]:
            for slot in slots:
                yield slot

        await transfer(self.bucket, given(), self.lanes)

    @property
    def arrived(self) -> dict[str, bytes]:
        return {key: (self._directory / key).read_bytes() for key, slot in self.slots.items() if slot.is_whole}

    def _slot(self, key: str, size_bytes: int) -> FileSlot:
        return FileSlot(Item(key, key, size_bytes, '"1"'), self._directory / key, self._directory / f"{key}.partial")
