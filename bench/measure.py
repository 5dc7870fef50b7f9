"""Lets clients work, and says what it cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from gadus.core.errors import Unavailable
from gadus.testing.seaweedfs import S3Server

from .shaping.traffic import Traffic

ROOT = Path(__file__).parent.parent
RUN_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Run:
    """
    What one run cost.

    `seconds` is the work alone: for a client in Python without the start of the interpreter and its imports. `peak_bytes` is
    of the largest of its processes. `objects` and `size_bytes` are what it had to fetch; where that was a part of the
    workload, the whole is so many `times` as much. `traffic` is what a proxy saw, if there was one.
    """

    seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    objects: int = 0
    size_bytes: int = 0
    times: float = 1.0
    traffic: Traffic | None = None

    def then(self, after: Self) -> Self:
        """Both as one: the other began when this one had ended."""
        return replace(
            self,
            seconds=self.seconds + after.seconds,
            wall_seconds=self.wall_seconds + after.wall_seconds,
            cpu_seconds=self.cpu_seconds + after.cpu_seconds,
            peak_bytes=max(self.peak_bytes, after.peak_bytes),
        )

    def document(self) -> dict[str, Any]:
        """The run as a JSON object."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        traffic = document["traffic"]
        return cls(**{**document, "traffic": None if traffic is None else Traffic.of(traffic)})


@dataclass(frozen=True, slots=True)
class Finished:
    """A run and where it left the tree; None for a program that does not say."""

    run: Run
    tree: Path | None


def measure(command: Sequence[str], *, server: S3Server, cwd: Path = ROOT) -> Finished:
    """Run the command to its end; its whole process tree is measured. Raises Unavailable when it fails."""
    [finished] = measure_at_once([command], server=server, cwd=cwd)
    return finished


def measure_at_once(commands: Sequence[Sequence[str]], *, server: S3Server, cwd: Path = ROOT) -> list[Finished]:
    """The same for several; with more than one, each must be a `worker`, and all begin their work at the same moment."""
    with ExitStack() as stack:
        processes = [stack.enter_context(started(_timed(command), server=server, cwd=cwd)) for command in commands]
        try:
            if len(processes) > 1:
                for process in processes:
                    wait_until_ready(process)
            for process in processes:
                begin(process)
            return [_finish(process, command) for process, command in zip(processes, commands, strict=True)]
        finally:
            for process in processes:
                kill(process)


def started(command: Sequence[str], *, server: S3Server, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """The command as a process that sees no settings but those for `server`."""
    return subprocess.Popen(
        command,
        env={"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8", **server.environment()},
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Wait for a `worker` to have started and imported everything."""
    if process.stdout:
        process.stdout.readline()


def begin(process: subprocess.Popen[str]) -> None:
    """Let a `worker` begin."""
    # A program that has ended already says why when it is waited for.
    with suppress(BrokenPipeError):
        if process.stdin:
            process.stdin.write("\n")
            process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    """End what `started` gave and everything that it started, at once; nothing happens when it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _timed(command: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("timed.py")), *command]


def _finish(process: subprocess.Popen[str], command: Sequence[str]) -> Finished:
    try:
        said, complaint = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired as exc:
        raise Unavailable(f"{' '.join(command)[:200]} took over {RUN_SECONDS} s", hint="leave it out with --peers") from exc
    *lines, last = said.splitlines() or [""]
    figures = json.loads(last) if last.startswith("{") else {"exit_code": process.returncode or 1}
    if figures.pop("exit_code"):
        raise Unavailable(f"{' '.join(command)[:200]} failed: {complaint[-2000:]}", hint="leave it out with --peers")
    told: dict[str, Any] = {"seconds": figures["wall_seconds"]}
    if lines and lines[-1].startswith("{"):
        told |= json.loads(lines[-1])
    return Finished(Run(seconds=told["seconds"], **figures), Path(told["tree"]) if "tree" in told else None)
