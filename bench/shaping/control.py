"""The proxy as its user sees it: start it before a server, restart its counts, read them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from gadus.core.errors import StorageUnavailable
from gadus.testing.seaweedfs import S3Server

from .traffic import Traffic

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 5


class Proxy:
    """A running proxy; `server` is how clients reach the server through it."""

    def __init__(self, server: S3Server, process: subprocess.Popen[str]) -> None:
        self._process = process
        port = self._line()
        self.server = replace(server, endpoint=f"http://127.0.0.1:{port}")

    def start(self, seed: int) -> None:
        """Set the counts to zero and let the same weather begin anew."""
        self._order(f"start {seed}")

    def traffic(self) -> Traffic:
        """The counts since `start`."""
        return Traffic.of(json.loads(self._order("traffic")))

    def _order(self, order: str) -> str:
        if self._process.stdin is None or self._process.poll() is not None:
            raise StorageUnavailable("the shaping proxy has ended", hint="run it by hand to see why: python -m bench.shaping")
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise StorageUnavailable("the shaping proxy has ended", hint="run it by hand to see why: python -m bench.shaping")
        return line.strip()


@contextmanager
def shaped(server: S3Server, shape: str) -> Iterator[Proxy]:
    """A proxy of the named shape before `server`, a process of its own, as long as the block lasts."""
    address = urlsplit(server.endpoint)
    command = [sys.executable, "-m", "bench.shaping", str(address.hostname), str(address.port), shape]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Proxy(server, process)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
