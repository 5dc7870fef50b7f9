"""Very many who follow the log of one job, some of whom read nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import aiohttp
import wasmtime

from .server import Server, wasm_job

LINES = 20
_LINE = "a line of the log, of about the length that lines have in logs of programs that say a lot\\n"
_PAUSE_NANOSECONDS = 250_000_000
_PATIENCE_SECONDS = 120.0
_DEAF = 10

# Writes a line, sleeps, and so on. 0: the subscription to a clock. 64: its event. 128: the line and where it is.
_SPEAKING = f"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 256) "{_LINE}")
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const {LINES}))
    (i32.store (i32.const 128) (i32.const 256))
    (i32.store (i32.const 132) (i32.const {len(_LINE) - 1}))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const {_PAUSE_NANOSECONDS}))
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 136)))
      (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 140)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))))"""


async def measure(server: Server, *, followers: int) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    job = _speaking_job()
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


def _speaking_job() -> dict[str, Any]:
    job = wasm_job(Name="speaking")
    module = base64.b64encode(wasmtime.wat2wasm(_SPEAKING)).decode()
    job["Tasks"][0]["Engine"]["Params"]["EntryModule"]["Source"]["Params"]["URL"] = f"data:application/wasm;base64,{module}"
    return job


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
