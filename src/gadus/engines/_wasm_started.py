"""
The process that compiles or runs one module, and the ends of its pipes that are ours.

It is started by path, with nothing of Gadus in it. Or it was forked ahead, when this process had nothing yet that a fork must
not copy: then the interpreter, wasmtime and all are there already, and it begins within a millisecond.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gadus.core.errors import EngineUnavailable

CHILD = Path(__file__).with_name("_wasm_child.py")
_ANSWER = 3
"""Where a process that was forked ahead writes its answer."""

_forked_ahead: list[Started] = []


@dataclass(slots=True)
class Started:
    """
    A process that waits for its order on `order`; `stdout`, `stderr` and `answer` can be read.

    `answer_to` is the number of the answer's descriptor in the process. `reap` takes note of its end and gives its status.
    """

    pid: int
    order: int
    stdout: int
    stderr: int
    answer: int
    answer_to: int
    reap: Callable[[], int]
    status: int | None = None

    async def wait(self) -> None:
        """Until it has ended, and `status` is known: negative for the signal that ended it."""
        if self.status is not None:
            return
        ended = asyncio.Event()
        process = os.pidfd_open(self.pid)
        try:
            asyncio.get_running_loop().add_reader(process, ended.set)
            await ended.wait()
        finally:
            asyncio.get_running_loop().remove_reader(process)
            os.close(process)
        if self.status is None:
            self.status = self.reap()

    def kill(self) -> None:
        """End it, if nobody took note of its end: until then its number is its own."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def start() -> Started:
    """
    A process of its own for one order, with none of our environment and descriptors but the pipes.

    Raises EngineUnavailable.
    """
    if _forked_ahead:
        return _forked_ahead.pop()
    theirs, ours = _pipes()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", str(CHILD)],
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            env={},
            cwd="/",
            pass_fds=(theirs[3],),
            start_new_session=True,
        )
    except OSError as exc:
        for descriptor in ours:
            os.close(descriptor)
        raise EngineUnavailable(f"no process can be started for the WebAssembly module: {exc}") from exc
    finally:
        answer_to = theirs[3]
        for descriptor in theirs:
            os.close(descriptor)
    return Started(process.pid, *ours, answer_to, process.wait)


def fork_ahead() -> None:
    """
    Fork the process of this execution's program, to be given its order by `start`.

    For a process with one thread, before it has an event loop; what it has in memory is there in the other, too.
    """
    theirs, ours = _pipes()
    pid = os.fork()
    if pid == 0:
        _be_the_child(theirs)
    for descriptor in theirs:
        os.close(descriptor)
    _forked_ahead.append(Started(pid, *ours, _ANSWER, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


def import_child() -> None:
    """Import what the process needs, so that it has it when it is forked."""
    from . import _wasm_child  # noqa: F401, PLC0415 - takes long, and only who forks needs it


def _be_the_child(theirs: tuple[int, int, int, int]) -> None:
    try:
        os.setsid()
        os.chdir("/")
        os.environ.clear()
        # Above what they become, so that none is overwritten before it is copied.
        copies = [os.dup(os.dup(descriptor)) for descriptor in theirs]
        for number, descriptor in enumerate(copies):
            os.dup2(descriptor, number, inheritable=False)
        os.closerange(_ANSWER + 1, os.sysconf("SC_OPEN_MAX"))
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        from ._wasm_child import main  # noqa: PLC0415 - here alone

        main()
    finally:
        traceback.print_exc()
        os._exit(70)


def _pipes() -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """The ends of the process, and ours, of order, stdout, stderr and answer."""
    order, stdout, stderr, answer = os.pipe(), os.pipe(), os.pipe(), os.pipe()
    return (order[0], stdout[1], stderr[1], answer[1]), (order[1], stdout[0], stderr[0], answer[0])
