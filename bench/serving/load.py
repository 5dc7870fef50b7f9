"""Many submissions a second, evenly spaced; then the server is killed, and every job that it accepted must be there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gadus.config import settings_from
from gadus.core.errors import NotFound
from gadus.orchestrator.store import Store
from gadus.wiring import store_of

from .lean import Submitting, submitting
from .programs import NOOP, speaking, wasm_job
from .server import Server, serving

RATE = 500
_STARTED_SECONDS = 60.0
_CONNECTIONS = 100


@dataclass
class Load:
    """What was seen: seconds from the moment each request was due to its answer, and what was accepted."""

    seconds: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def percentile_ms(self, percent: float) -> float:
        """So many milliseconds or fewer took this share of the requests."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1e3


async def submitted(server: Server, *, rate: int, seconds: float) -> Load:
    """
    Requests at this rate for so long, whether or not earlier ones are answered.

    What is measured is how jobs are accepted, not how long their programs take: one has all cores, the others wait.
    """
    load = Load()
    cores = str(await server.cpu_cores())
    holder = await server.submit(_with_cores(cores, speaking(2, every_seconds=seconds + _STARTED_SECONDS)))
    async with asyncio.timeout(_STARTED_SECONDS):
        while not (await server.running())[0]:  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.05)

    async def one(clients: Submitting, due: float) -> None:
        try:
            load.accepted.append(await clients.submit())
        except RuntimeError as exc:
            load.refused.append(str(exc))
        load.seconds.append(time.monotonic() - due)

    clients = submitting(server.url, _with_cores(cores, NOOP), connections=_CONNECTIONS)
    async with clients as them, asyncio.TaskGroup() as group:
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            group.create_task(one(them, due))
    load.accepted.append(holder)
    return load


def _with_cores(cores: str, module: bytes) -> dict[str, Any]:
    job = wasm_job(module)
    job["Tasks"][0]["Resources"]["CPU"] = cores
    return job


async def measure(data_dir: Path, *, rate: int, seconds: float) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    async with serving(data_dir) as server:
        load = await submitted(server, rate=rate, seconds=seconds)
        rss = server.rss_bytes
        server.process.kill()
        server.process.wait()
    await _stop_the_holder(data_dir, load.accepted[-1])
    with store_of(settings_from(data_dir=str(data_dir))) as store:
        missing = [job_id for job_id in load.accepted if not _is_there(store, job_id)]
    what = f"{rate} submissions a second for {seconds:.0f} s"
    return [
        (
            f"{what}: time to the answer",
            f"{load.percentile_ms(50):.1f} ms p50, {load.percentile_ms(99):.1f} ms p99",
            "100 ms p99",
        ),
        (f"{what}: accepted, refused", f"{len(load.accepted):,}, {len(load.refused)}", f"{int(rate * seconds):,}, 0"),
        (f"{what}: memory of the server at the end", f"{rss / 2**20:.0f} MiB", ""),
        (f"{what}: accepted, but not there after kill -9", f"{len(missing)}", "0"),
    ]


async def _stop_the_holder(data_dir: Path, job_id: str) -> None:
    async with serving(data_dir) as server:
        await server.stop(job_id)


def _is_there(store: Store, job_id: str) -> bool:
    try:
        store.get(job_id)
    except NotFound:
        return False
    return True
