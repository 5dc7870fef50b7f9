"""The machine that Gadus runs on, as the only node."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import Awaitable, Callable, Sequence

from gadus.config import Settings
from gadus.contracts import Reporter
from gadus.core.job import Job, Outcome, Place
from gadus.core.placement import Node

Execute = Callable[[Job, Place, Reporter], Awaitable[Outcome]]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Backend:
    """Runs executions in this process, as many at once as there are cores."""

    def __init__(self, settings: Settings, execute: Execute) -> None:
        self._settings = settings
        self._execute = execute
        self._room = asyncio.Semaphore(os.cpu_count() or 1)

    def nodes(self) -> Sequence[Node]:
        """The one node, with what the machine has."""
        self._settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return [
            Node(
                id=platform.node() or "localhost",
                cpu_cores=float(os.cpu_count() or 1),
                memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
                disk_bytes=shutil.disk_usage(self._settings.data_dir).free,
                labels={
                    "Operating-System": platform.system().lower(),
                    "Architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                },
            )
        ]

    async def run(self, job: Job, place: Place, started: Callable[[str], Reporter]) -> Outcome:
        """Run the execution here, as soon as another one leaves room."""
        async with self._room:
            return await self._execute(job, place, started(self.nodes()[0].id))
