"""The process of executions, one after the other, from the moment after its fork."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from gadus.contracts import Reporter, Silent
from gadus.core.job import Execution, Failure, Job, Outcome, Phase, Pin

from .identity import Identity, identity_of
from .journal import Entered, Exit, Journal, Learned
from .records import Records

Execute = Callable[[Job, Execution, Reporter], Awaitable[Outcome]]
"""Runs one execution to its end. Cancelled, it returns when everything of it is gone."""

_MOST_EXECUTIONS = 100
"""What a library loses at each execution stays bounded."""
_OF_THE_LOOP = "helper of the loop"
_LEFT_SECONDS = 5.0
_MOST_BYTES = 256 << 20
_PAUSES_WHILE_THE_DISK_IS_FULL = (0.1, 1.0, 5.0, 10.0, 30.0, 60.0)


def live(
    shims_dir: Path,
    executions: Iterable[str],
    execute: Execute,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    start_over: Callable[[], None],
) -> None:
    """
    Run the ordered executions one after the other, each unless another process did or does.

    An execution's end is on the disk before the next is asked for. `start_over` is called between two, so that `execute` has
    nothing of the first when it runs the second.

    SIGTERM ends an execution early; it must be blocked when this is called, and is whenever none runs.
    """
    me = identity_of(os.getpid())
    assert me is not None
    os.setsid()
    # What the parent drew is not drawn again by all of its children.
    random.seed()
    gc.enable()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix=_OF_THE_LOOP))
        for number, execution_id in enumerate(executions, 1):
            _run(Records(shims_dir, execution_id), me, execute, runner)
            runner.run(_end_what_is_left())
            start_over()
            if number == _MOST_EXECUTIONS or not _as_it_was(runner.get_loop()):
                break


def _run(records: Records, me: Identity, execute: Execute, runner: asyncio.Runner) -> None:
    # A thread of an earlier execution does not block the signal: then it comes before anybody waits for it.
    told_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told_to_end.append(number))
    # Whoever sent one until now meant another: nobody knows yet that this process runs the execution.
    signal.sigtimedwait({signal.SIGTERM}, 0)
    told_to_end.clear()
    with records.begun(me) as journal:
        if journal is None:
            return
        _say_troubles_in(records.path)
        order = records.ordered()
        try:
            outcome = runner.run(_to_its_end(order.job, order.execution, execute, _Telling(journal), told_to_end))
        except Exception as error:
            _end(journal, Outcome(error=Failure(kind="Bug", message=f"{type(error).__name__}: {error}")))
            raise
        _end(journal, outcome)


def _say_troubles_in(path: Path) -> None:
    """Opened anew, so that it does not keep the lock of who is done with it."""
    trouble = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.dup2(trouble, 1)
    os.dup2(trouble, 2)
    os.close(trouble)


def _as_it_was(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether nothing of an execution is left in this process."""
    with suppress(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return False
    if asyncio.all_tasks(loop) or not all(map(_is_of_the_loop, threading.enumerate())):
        return False
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE") < _MOST_BYTES


def _is_of_the_loop(thread: threading.Thread) -> bool:
    return thread is threading.main_thread() or thread.name.startswith(_OF_THE_LOOP)


async def _to_its_end(
    job: Job, execution: Execution, execute: Execute, journal: Reporter, told_to_end: Sequence[int]
) -> Outcome:
    running = asyncio.ensure_future(execute(job, execution, journal))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if told_to_end:
        running.cancel()
    try:
        return await running
    except asyncio.CancelledError:
        return Outcome(error=Failure(kind="Stopped", message="stopped before its end"))
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


async def _end_what_is_left() -> None:
    """Of an execution that nobody waits for any more."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_LEFT_SECONDS)


def _end(journal: Journal, outcome: Outcome) -> None:
    exit_ = Exit(at=time.time(), outcome=outcome)
    for pause_seconds in _PAUSES_WHILE_THE_DISK_IS_FULL:
        try:
            journal.end(exit_)
        except OSError:
            time.sleep(pause_seconds)
        else:
            return
    journal.end(exit_)


class _Telling(Silent):
    """A reporter that writes down what a server remembers."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
        self._journal.write(Entered(at=at or time.time(), phase=phase))

    def pinned(self, pin: Pin) -> None:
        self._journal.write(Learned(at=time.time(), pin=pin))
