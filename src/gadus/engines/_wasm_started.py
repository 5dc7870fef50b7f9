"""
The process that compiles or runs one module, and the ends of its pipes that are ours.

It is started by path, with nothing of Gadus in it. Or, where many executions follow one another, `_wasm_nursery` forks it: then
the interpreter, wasmtime and all are there already, and it begins within a millisecond.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gadus.core.errors import EngineUnavailable

from ._wasm_pipes import readable

COMPILES = Path(__file__).with_name("_wasm_child.py")
"""What is run in the process: what was compiled by another is compiled anew."""
_NURSERY = Path(__file__).with_name("_wasm_nursery.py")
_FORKED_ANSWER = 3
"""Where a forked process writes its answer."""
_ANSWER_SECONDS = 10.0
_READ_BYTES = 4096

_nurseries: list[socket.socket] = []
"""At most one: it is of this process and of all that are forked from it."""


@dataclass(slots=True)
class Started:
    """
    A process that waits for its order on `order`; `stdout`, `stderr` and `answer` can be read.

    `process` is a descriptor of it, `parent` its parent's number, `answer_to` the number of the answer's descriptor in it.
    `ended` can be read when it has ended; then `reap` gives its status.
    """

    pid: int
    process: int
    parent: int
    order: int
    stdout: int
    stderr: int
    answer: int
    answer_to: int
    ended: int
    reap: Callable[[], int]
    status: int | None = None
    _waiting: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Until it has ended, and `status` is known: negative for the signal that ended it."""
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(self._its_end())
        await asyncio.shield(self._waiting)

    async def _its_end(self) -> None:
        await readable(self.ended)
        self.status = self.reap()

    def kill(self) -> None:
        """End it, if it has not ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, signal.SIGKILL)

    def close(self) -> None:
        """After its end: close what is left open."""
        os.close(self.answer)
        os.close(self.process)


def start() -> Started:
    """
    A process of its own for one order, with none of our environment and descriptors but the pipes.

    Raises EngineUnavailable.
    """
    theirs, ours = _pipes()
    try:
        return _forked(theirs, ours) or _run(theirs, ours)
    except OSError as exc:
        for descriptor in ours:
            os.close(descriptor)
        raise EngineUnavailable(f"no process can be started for the WebAssembly module: {exc}") from exc
    finally:
        for descriptor in theirs:
            os.close(descriptor)


def open_nursery() -> int:
    """
    Processes that are started by this one, and by those that are forked from it, are forked by a nursery from now on.

    Returns its process number.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(_ANSWER_SECONDS)
    with theirs:
        started = subprocess.Popen(
            [sys.executable, "-I", str(_NURSERY)],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            # Whoever reads our output to its end must not wait for the programs, too.
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
    _nurseries[:] = [ours]
    return started.pid


def _run(theirs: tuple[int, ...], ours: tuple[int, int, int, int]) -> Started:
    child = subprocess.Popen(
        [sys.executable, "-I", str(COMPILES)],
        stdin=theirs[0],
        stdout=theirs[1],
        stderr=theirs[2],
        env={},
        cwd="/",
        pass_fds=(theirs[3],),
        start_new_session=True,
    )
    # Nobody takes note of its end before `wait`, so the number is still its own.
    process = os.pidfd_open(child.pid)
    return Started(child.pid, process, os.getpid(), *ours, theirs[3], process, child.wait)


def _forked(theirs: tuple[int, ...], ours: tuple[int, int, int, int]) -> Started | None:
    """None when there is no nursery, or it cannot."""
    if not _nurseries:
        return None
    tie, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    tie.settimeout(_ANSWER_SECONDS)
    try:
        with its_end:
            socket.send_fds(_nurseries[0], [b"start"], [*theirs, its_end.fileno()])
        text, (process,), _, _ = socket.recv_fds(tie, _READ_BYTES, 1)
    except (OSError, ValueError):
        tie.close()
        return None
    answer = json.loads(text)
    return Started(answer["pid"], process, answer["parent"], *ours, _FORKED_ANSWER, tie.fileno(), lambda: _status(tie))


def _status(tie: socket.socket) -> int:
    """How the process ended, as the nursery says; a nursery that is gone took it along."""
    with tie, suppress(ConnectionResetError):
        if text := tie.recv(_READ_BYTES):
            return int(json.loads(text)["status"])
    return -signal.SIGKILL


def _pipes() -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """The ends of the process, and ours, of order, stdout, stderr and answer."""
    order, stdout, stderr, answer = os.pipe(), os.pipe(), os.pipe(), os.pipe()
    return (order[0], stdout[1], stderr[1], answer[1]), (order[1], stdout[0], stderr[0], answer[0])
