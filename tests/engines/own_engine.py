"""A container engine that belongs to one test: with its own rooms and socket, to be stopped, killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from docker_engine import built

from gadus.core.errors import EngineUnavailable
from gadus.engines._docker_client import connected
from parts import skip_without

READY_SECONDS = 30.0


class OwnEngine:
    """``dockerd`` in the directory `room`; nothing of it is known to any other engine of this machine."""

    def __init__(self, room: Path) -> None:
        self._room = room
        self._process: asyncio.subprocess.Process | None = None

    @property
    def docker_host(self) -> str:
        return f"unix://{self._room}/sock"

    async def start(self) -> None:
        """It answers, and has the image of the tests."""
        # One that was killed leaves these, and where nobody buries the dead the next takes them for alive.
        for left in (self._room / "pid", self._room / "run" / "containerd" / "containerd.pid"):
            left.unlink(missing_ok=True)
        with (self._room / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                # In a network of its own: one without a bridge removes that of any other.
                *("unshare", "--net", "dockerd"),
                *("--data-root", str(self._room / "data"), "--exec-root", str(self._room / "run")),
                *("--pidfile", str(self._room / "pid"), "--host", self.docker_host),
                *("--iptables=false", "--bridge=none", "--shutdown-timeout", "5"),
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(READY_SECONDS):
            while not await self._answers():  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(0.1)
        await built(self.docker_host)

    async def end(self, number: signal.Signals) -> None:
        """It has been sent the signal and is gone; with SIGKILL its containers are not."""
        if self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            await self._process.wait()
        self._process = None

    async def clear(self) -> None:
        """Nothing of it runs any more."""
        if not self._process:
            # Only a further engine ends the containers of one that was killed.
            await self.start()
        await self.end(signal.SIGTERM)
        # One that was killed leaves its room mounted on itself.
        umount = ("umount", "--quiet", "--recursive", "--lazy", str(self._room / "data"))
        await (await asyncio.create_subprocess_exec(*umount)).wait()

    async def containers(self) -> list[str]:
        async with connected(self.docker_host) as docker:
            return [name for one in await docker.containers.list(all=True) for name in one["Names"]]

    async def _answers(self) -> bool:
        assert self._process
        if self._process.returncode is not None:
            raise AssertionError(f"dockerd ended: {(self._room / 'log').read_text()[-2000:]}")
        try:
            async with connected(self.docker_host):
                return True
        except EngineUnavailable:
            return False


@asynccontextmanager
async def own_engine(room: Path) -> AsyncIterator[OwnEngine]:
    """An engine that answers; needs root."""
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        skip_without("dockerd", "only root can start a container engine", "run the tests as root, with docker.io installed")
    engine = OwnEngine(room)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.clear()
