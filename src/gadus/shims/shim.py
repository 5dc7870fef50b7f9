"""The process of one execution, from the moment after its fork."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gadus.claim import held
from gadus.contracts import Reporter, Silent
from gadus.core.job import Execution, Failure, Job, Outcome, Phase, Pin

from .identity import identity_of
from .records import Entered, Exit, Learned, Records

Execute = Callable[[Job, Execution, Reporter], Awaitable[Outcome]]
"""Runs one execution to its end. Cancelled, it returns when everything of it is gone."""

_PAUSES_WHILE_THE_DISK_IS_FULL = (0.1, 1.0, 5.0, 10.0, 30.0, 60.0)


def live(
    shims_dir: Path,
    execution_id: str,
    execute: Execute,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    ahead: Callable[[Job], None] = lambda _: None,
) -> None:
    """
    Run the ordered execution, unless another process did or does; returns when its end is on the disk.

    `ahead` is called before there is an event loop: what can be forked only then is forked there.

    SIGTERM ends it early; it may be blocked when this is called, and is not afterwards.
    """
    records = Records(shims_dir, execution_id)
    with held(records.claim) as free:
        me = identity_of(os.getpid())
        if not free or me is None or not records.begin(me):
            return
        _be_a_process_of_its_own(records)
        order = records.ordered()
        ahead(order.job)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            try:
                outcome = runner.run(_to_its_end(order.job, order.execution, execute, _Journal(records)))
            except Exception as error:
                _end(records, Outcome(error=Failure(kind="Bug", message=f"{type(error).__name__}: {error}")))
                raise
            _end(records, outcome)
            # The process ends here: it need not take apart what it was made of.
            os._exit(0)


async def _to_its_end(job: Job, execution: Execution, execute: Execute, journal: Reporter) -> Outcome:
    running = asyncio.ensure_future(execute(job, execution, journal))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        return await running
    except asyncio.CancelledError:
        return Outcome(error=Failure(kind="Stopped", message="stopped before its end"))


def _be_a_process_of_its_own(records: Records) -> None:
    """Nothing that happens to those who started it happens to it; what it says of itself stands beside its records."""
    os.setsid()
    # What the parent drew is not drawn again by all of its children.
    random.seed()
    gc.enable()
    trouble = os.open(records.root / "trouble", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(trouble, 1)
    os.dup2(trouble, 2)
    os.close(trouble)


def _end(records: Records, outcome: Outcome) -> None:
    exit_ = Exit(at=time.time(), outcome=outcome)
    for pause_seconds in _PAUSES_WHILE_THE_DISK_IS_FULL:
        try:
            records.end(exit_)
        except OSError:
            time.sleep(pause_seconds)
        else:
            return
    records.end(exit_)


class _Journal(Silent):
    """A reporter that writes down what a server remembers."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
        self._records.write(Entered(at=at or time.time(), phase=phase))

    def pinned(self, pin: Pin) -> None:
        self._records.write(Learned(at=time.time(), pin=pin))
