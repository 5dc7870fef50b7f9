"""``dockerd`` with rooms of its own, for a thread that kills it and starts it again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docker_engine import IMAGE, built

from gadus.core.errors import EngineUnavailable
from gadus.engines._docker_client import connected
from gadus.engines.docker import EXECUTION_LABEL
from parts import skip_without

_READY_SECONDS = 30.0


class ContainerEngine:
    """Nothing of it is known to any other engine of this machine."""

    image = IMAGE

    def __init__(self, room: Path) -> None:
        self._room = room
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def docker_host(self) -> str:
        return f"unix://{self._room}/sock"

    def start(self) -> None:
        """It answers."""
        # One that was killed leaves these, and where nobody buries the dead the next takes them for alive.
        for left in (self._room / "pid", self._room / "run" / "containerd" / "containerd.pid"):
            left.unlink(missing_ok=True)
        with (self._room / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # In a network of its own: one without a bridge removes that of any other.
                    *("unshare", "--net", "dockerd"),
                    *("--data-root", str(self._room / "data"), "--exec-root", str(self._room / "run")),
                    *("--pidfile", str(self._room / "pid"), "--host", self.docker_host),
                    *("--iptables=false", "--bridge=none", "--shutdown-timeout", "5"),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while not asyncio.run(self._answers()):
            assert self._process.poll() is None, f"dockerd ended: {self._last_words()}"
            assert time.monotonic() < deadline, f"dockerd does not answer: {self._last_words()}"
            time.sleep(0.1)

    def end(self, number: signal.Signals) -> None:
        """It was sent the signal and is gone; with SIGKILL its containers are not."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
        self._process = None

    def clear(self) -> None:
        """Nothing of it runs any more."""
        if self._process is None:
            # Only a further engine ends the containers of one that was killed.
            self.start()
        self.end(signal.SIGTERM)
        self._end_minders()
        # One that was killed leaves its room mounted on itself.
        subprocess.run(["umount", "--quiet", "--recursive", "--lazy", str(self._room / "data")], check=False)

    def _end_minders(self) -> None:
        """Those of containers that an engine had just made when it was killed: no later engine knows of them."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                if str(self._room / "run").encode() in (process / "cmdline").read_bytes():
                    contained = [
                        int(pid) for task in (process / "task").iterdir() for pid in (task / "children").read_text().split()
                    ]
                    for pid in (*contained, int(process.name)):
                        os.kill(pid, signal.SIGKILL)

    def containers(self) -> list[str]:
        """Every container that belongs to an execution."""
        return asyncio.run(self._containers())

    async def _containers(self) -> list[str]:
        async with connected(self.docker_host) as docker:
            found = await docker.containers.list(all=True, filters={"label": [EXECUTION_LABEL]})
            return [f"{one['Names']} {one['State']}" for one in found]

    async def _answers(self) -> bool:
        try:
            async with connected(self.docker_host):
                return True
        except EngineUnavailable:
            return False

    def _last_words(self) -> str:
        return (self._room / "log").read_text()[-2000:]


def skip_unless_engines_can_be_started() -> None:
    """Leaves the test out, and says so."""
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        skip_without("dockerd", "only root can start a container engine", "run the tests as root, with docker.io installed")


@contextmanager
def container_engine() -> Iterator[ContainerEngine]:
    """An engine that answers and has the image of the tests."""
    # Not below a test's own directory: the names of its sockets would be too long.
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as room:
        engine = ContainerEngine(Path(room))
        try:
            engine.start()
            asyncio.run(built(engine.docker_host))
            yield engine
        finally:
            engine.clear()
