"""Parts of the tests of shims: servers that share a directory."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gadus.backends.local import Backend
from gadus.contracts import Silent
from gadus.core.job import Execution, Job, Outcome, Phase
from gadus.core.spec import JobSpec
from gadus.shims.asking import Nursery
from gadus.shims.records import Records

PROCESS = Path(__file__).with_name("nursery_process.py")


class Seen(Silent):
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.running = asyncio.Event()

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
        self.phases.append(phase)
        if phase is Phase.RUNNING:
            self.running.set()


@dataclass
class Server:
    """What a server has of executions: a backend with a nursery of its own."""

    directory: Path
    cleaned: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nursery = Nursery((sys.executable, str(PROCESS), str(self.directory)))
        self.backend = Backend(list, self.directory / "shims", self.nursery, self._clean_up, lambda _: None)

    async def _clean_up(self, _engine: str) -> None:
        self.cleaned.append("cleaned")

    def records(self, execution_id: str) -> Records:
        return Records(self.directory / "shims", execution_id)

    def ran(self) -> list[str]:
        """What the executions of all servers of this directory wrote."""
        path = self.directory / "ran"
        return path.read_text().splitlines() if path.exists() else []

    async def run(self, name: str, execution_id: str = "e-1", seen: Seen | None = None) -> Outcome:
        return await self.backend.run(job(name), execution(execution_id), seen or Seen())

    async def until_running(self, name: str, execution_id: str = "e-1") -> asyncio.Task[Outcome]:
        """An execution that has begun."""
        seen = Seen()
        task = asyncio.create_task(self.run(name, execution_id, seen))
        async with asyncio.timeout(20):
            await seen.running.wait()
        return task


def job(name: str) -> Job:
    """A job of this name, and of so many further bytes as stand behind a slash."""
    name, _, size_bytes = name.partition("/")
    task = {"Name": "main", "Engine": {"Type": "wasm"}, "Env": {"LARGE": "x" * int(size_bytes or 0)}}
    spec = JobSpec.model_validate({"Name": name, "Type": "batch", "Tasks": [task]})
    return Job(id="j-1", spec=spec, created_at=1.0, begun_at=1.0, modified_at=1.0)


def execution(execution_id: str) -> Execution:
    return Execution(id=execution_id, index=0, node="here", created_at=1.0, modified_at=1.0)
