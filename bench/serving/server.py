"""A real server as a process of its own, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

_JOBS = "/api/v1/orchestrator/jobs"
_ENDED = ("Completed", "Failed", "Stopped")
_LOOK_SECONDS = 0.002
_PATIENCE_SECONDS = 300.0
_CONNECTIONS = 100


@dataclass
class Server:
    """What can be asked of it, and how long it took to begin to answer."""

    session: aiohttp.ClientSession
    process: subprocess.Popen[bytes]
    seconds_to_serve: float
    url: str

    async def submit(self, job: dict[str, Any]) -> str:
        """The id of an accepted job."""
        async with self.session.put(_JOBS, json={"Job": job}) as answer:
            told = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"the job was not accepted: {told}")
            return str(told["JobID"])

    async def stop(self, job_id: str) -> None:
        """Ask for the end of a job."""
        async with self.session.delete(f"{_JOBS}/{job_id}") as answer:
            await answer.read()

    async def cpu_cores(self) -> float:
        """What the one node gives to jobs."""
        (node,) = (await self._get("/api/v1/orchestrator/nodes"))["Nodes"]
        return float(node["Info"]["ComputeNodeInfo"]["MaxCapacity"]["CPU"])

    async def until_ended(self, job_id: str) -> None:
        """Wait for a job that must complete."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            state = (await self._get(f"{_JOBS}/{job_id}"))["Job"]["State"]["StateType"]
            if state in _ENDED:
                if state != "Completed":
                    raise RuntimeError(f"job {job_id} is {state}")
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise RuntimeError(f"job {job_id} did not end in {_PATIENCE_SECONDS:.0f} s")

    async def seconds_of(self, job_id: str) -> float:
        """From when a job that has ended was accepted to its last change."""
        job = (await self._get(f"{_JOBS}/{job_id}"))["Job"]
        return float(job["ModifyTime"] - job["CreateTime"]) / 1e9

    async def running(self) -> tuple[int, int]:
        """How many executions run, and how many wait."""
        told = await self._get("/healthz")
        return told["Running"], told["Waiting"]

    async def page(self) -> int:
        """How many jobs the first page of the list has."""
        return len((await self._get(f"{_JOBS}?limit=100"))["Items"])

    @property
    def rss_bytes(self) -> int:
        """The memory of the server itself now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    async def _get(self, path: str) -> Any:
        async with self.session.get(path) as answer:
            return await answer.json()


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[Server]:
    """A server of this data directory until the end of the block."""
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else is to go on meanwhile
        [sys.executable, "-m", "gadus", "serve", "--port", "0", "--json", "--data-dir", str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        url = json.loads(process.stdout.readline())["url"]
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        async with aiohttp.ClientSession(url, connector=connector) as session:
            server = Server(session, process, 0.0, url)
            await server.running()
            server.seconds_to_serve = time.monotonic() - began
            yield server
    finally:
        process.terminate()
        process.wait()
