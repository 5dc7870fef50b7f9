"""Clients that begin a request and send no more of it, and an honest one beside them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from urllib.parse import urlsplit

from .server import Server

_BEGUN = b"GET /api/v1/agent/alive HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
_WHOLE = b"GET /api/v1/agent/alive HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_BETWEEN_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0


async def measure(server: Server, *, connections: int) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    url = urlsplit(server.url)
    host, port = str(url.hostname), int(url.port or 0)
    slow: list[asyncio.StreamWriter] = []
    ages: list[float] = []
    honest: list[float] = []
    done = asyncio.Event()

    async def hold() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        slow.append(writer)
        began = time.monotonic()
        writer.write(_BEGUN)
        with suppress(OSError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await reader.read()
        ages.append(time.monotonic() - began)
        writer.close()

    async def ask() -> None:
        while not done.is_set():
            honest.append(await _answer_seconds(host, port))
            await asyncio.sleep(_BETWEEN_SECONDS)

    asking = asyncio.create_task(ask())
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(hold())
    done.set()
    await asking
    ordered = sorted(honest)
    what = f"{connections:,} half-open connections"
    return [
        (f"{what}: an honest client's answer", f"{_ms(ordered, 0.5)} p50, {_ms(ordered, 0.99)} p99", "200 ms p99"),
        (f"{what}: cut off after", f"{max(ages):.1f} s at most", "15 s"),
    ]


async def _answer_seconds(host: str, port: int) -> float:
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(_WHOLE)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        answer = await reader.read()
    writer.close()
    if b" 200 " not in answer[:20]:
        raise RuntimeError(f"an honest client was turned away: {answer[:80]!r}")
    return time.monotonic() - began


def _ms(ordered: list[float], share: float) -> str:
    return f"{ordered[int(len(ordered) * share)] * 1e3:.1f} ms"
