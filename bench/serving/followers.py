"""Very many who follow the log of one job, some of whom read nothing."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp

from .programs import speaking, wasm_job
from .server import Server

LINES = 20
_EVERY_SECONDS = 0.25
_PATIENCE_SECONDS = 120.0
_DEAF = 10


async def measure(server: Server, *, followers: int) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    job = wasm_job(speaking(LINES, every_seconds=_EVERY_SECONDS), Name="speaking")
    # The first compiles the module.
    await server.until_ended(await server.submit(job))
    alone = await _seconds_of(server, await server.submit(job))
    before = server.rss_bytes
    job_id = await server.submit(job)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(server.url, connector=connector) as session:
        deaf = [asyncio.create_task(_hear_nothing(session, job_id)) for _ in range(_DEAF)]
        heard = [asyncio.create_task(_hear(session, job_id)) for _ in range(followers)]
        together = await _seconds_of(server, job_id)
        grown = server.rss_bytes - before
        ended = time.monotonic()
        lines = [await one for one in heard]
        late = time.monotonic() - ended
        for one in deaf:
            one.cancel()
    complete = sum(one == LINES for one in lines)
    what = f"{followers:,} followers of one log"
    return [
        (f"{what}, and {_DEAF} that read nothing: who got every line", f"{complete:,}", f"{followers:,}"),
        (f"{what}: seconds of the job, alone and followed", f"{alone:.1f} s, {together:.1f} s", ""),
        (f"{what}: the last one has it all after the job's end", f"{late:.1f} s", ""),
        (f"{what}: memory of the server grew by", f"{grown / 2**20:.0f} MiB", ""),
    ]


async def _seconds_of(server: Server, job_id: str) -> float:
    await server.until_ended(job_id)
    return await server.seconds_of(job_id)


async def _hear(session: aiohttp.ClientSession, job_id: str) -> int:
    """How many lines came before the connection was closed as one that has served its purpose."""
    lines = 0
    async with (
        asyncio.timeout(_PATIENCE_SECONDS),
        session.ws_connect(f"/api/v1/orchestrator/jobs/{job_id}/logs?follow=true", max_msg_size=0) as socket,
    ):
        async for message in socket:
            lines += json.loads(message.data)["value"]["Line"].count("\n")
        if socket.close_code != 1000:
            raise RuntimeError(f"a follower was closed with {socket.close_code}")
    return lines


async def _hear_nothing(session: aiohttp.ClientSession, job_id: str) -> None:
    async with session.ws_connect(f"/api/v1/orchestrator/jobs/{job_id}/logs?follow=true"):
        await asyncio.sleep(_PATIENCE_SECONDS)
