"""The real command as a process of its own, with and without a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from warm import Warm

PROBE = Path(__file__).parents[1] / "engines" / "wasm_programs" / "probe.wasm"
GADUS = [sys.executable, "-m", "gadus"]
SECONDS = 60


@cache
def _warm() -> Warm:
    return Warm()


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code (negative for a signal) and all that it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> Any:
        """Its standard output as the one JSON document that it must be."""
        return json.loads(self.out)


@dataclass
class Cli:
    """Runs `gadus` with a data directory of the test's own and no settings of the user."""

    data_dir: Path
    directory: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __call__(self, *words: str, stdin: bytes = b"") -> Ended:
        """Run to the end."""
        code, out, err = _warm().run(list(words), self.environment, self.directory, stdin, SECONDS)
        return Ended(code, out, err.decode())

    def start(self, *words: str, **streams: Any) -> subprocess.Popen[bytes]:
        """Begin, with pipes for the two outputs unless `streams` says otherwise."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        process = subprocess.Popen([*GADUS, *words], env=self.environment, cwd=self.directory, **streams)
        self.started.append(process)
        return process

    def on_terminal(self, *words: str, stdout: Any = None) -> tuple[int, str]:
        """Run with a terminal as standard error (and output, unless `stdout`); gives the exit code and what it showed."""
        master, slave = pty.openpty()
        try:
            process = self.start(*words, stdin=slave, stdout=slave if stdout is None else stdout, stderr=slave)
        finally:
            os.close(slave)
        shown = b""
        deadline = time.monotonic() + SECONDS
        with contextlib.closing(os.fdopen(master, "rb", buffering=0)) as terminal, contextlib.suppress(OSError):
            # The far end of a pseudo-terminal reads as an error once nobody holds it.
            while time.monotonic() < deadline and select.select([terminal], [], [], SECONDS)[0]:
                shown += terminal.read(65536)
        return process.wait(SECONDS), shown.decode()

    @property
    def left_behind(self) -> list[str]:
        """What of running executions is still on the disk."""
        places = [self.data_dir / "executions", self.data_dir / "cache" / "partial"]
        return [str(path) for place in places if place.is_dir() for path in place.iterdir()]
