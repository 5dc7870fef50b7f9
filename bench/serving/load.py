"""Many submissions a second, evenly spaced; then the server is killed, and every job that it accepted must be there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from gadus.config import settings_from
from gadus.core.errors import NotFound
from gadus.orchestrator.store import Store
from gadus.wiring import store_of

from .server import Server, serving, wasm_job

RATE = 500
_WAITING = {"Constraints": [{"Key": "never", "Operator": "=", "Values": ["there"]}]}
"""Jobs that no node may run: what is measured is how they are accepted, not how long their programs take."""
_QUEUE_SECONDS = 3600


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
    """Requests at this rate for so long, whether or not earlier ones are answered."""
    load = Load()
    job = wasm_job(**_WAITING)
    job["Tasks"][0]["Timeouts"] = {"QueueTimeout": _QUEUE_SECONDS, "TotalTimeout": 2 * _QUEUE_SECONDS}

    async def one(due: float) -> None:
        try:
            load.accepted.append(await server.submit(job))
        except RuntimeError as exc:
            load.refused.append(str(exc))
        load.seconds.append(time.monotonic() - due)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            group.create_task(one(due))
    return load


async def measure(data_dir: Path, *, rate: int, seconds: float) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    async with serving(data_dir) as server:
        load = await submitted(server, rate=rate, seconds=seconds)
        rss = server.rss_bytes
        server.process.kill()
        server.process.wait()
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


def _is_there(store: Store, job_id: str) -> bool:
    try:
        store.get(job_id)
    except NotFound:
        return False
    return True
