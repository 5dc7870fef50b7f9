"""The machine that Gadus runs on, as the only node."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gadus.config import Settings
from gadus.contracts import Reporter
from gadus.core.job import Job, Outcome, Place
from gadus.core.placement import Node
from gadus.core.spec import Resources

Execute = Callable[[Job, Place, Reporter], Awaitable[Outcome]]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_USUAL_CORES = 1.0
"""What an execution is taken to need that does not say."""


class Backend:
    """Runs executions in this process, as many at once as the machine has room for."""

    def __init__(self, settings: Settings, execute: Execute) -> None:
        self._settings = settings
        self._execute = execute
        node = self.nodes()[0]
        self._room = Room(node.cpu_cores, node.memory_bytes)

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
        """Run the execution here, as soon as those before it leave room."""
        async with self._room.taken(job.spec.task.resources):
            return await self._execute(job, place, started(self.nodes()[0].id))


@dataclass(eq=False, slots=True)
class _Waiting:
    cores: float
    memory_bytes: int
    turn: asyncio.Event


class Room:
    """What is free of a machine's cores and memory; given out in the order it was asked for, so that nobody starves."""

    def __init__(self, cores: float, memory_bytes: int) -> None:
        self._all_cores = cores
        self._free_cores = cores
        self._free_memory_bytes = memory_bytes
        self._waiting: deque[_Waiting] = deque()

    @asynccontextmanager
    async def taken(self, needs: Resources) -> AsyncIterator[None]:
        """Hold what `needs` asks for, waiting for it first. It must not be more than the machine has."""
        # Who says nothing must fit the smallest machine, too.
        cores = needs.cpu_cores or min(_USUAL_CORES, self._all_cores)
        one = _Waiting(cores, needs.memory_bytes, asyncio.Event())
        self._waiting.append(one)
        try:
            self._give()
            await one.turn.wait()
            yield
        finally:
            if one.turn.is_set():
                self._free_cores += one.cores
                self._free_memory_bytes += one.memory_bytes
            else:
                self._waiting.remove(one)
            self._give()

    def _give(self) -> None:
        # A hair less is enough: tenths of cores do not add up exactly.
        while self._waiting:
            first = self._waiting[0]
            if first.cores > self._free_cores + 1e-6 or first.memory_bytes > self._free_memory_bytes:
                return
            self._waiting.popleft()
            self._free_cores -= first.cores
            self._free_memory_bytes -= first.memory_bytes
            first.turn.set()
