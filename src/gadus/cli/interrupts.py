"""Ctrl-C and SIGTERM: the first cancels the work and waits until it is cleaned up, the second leaves at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from gadus.cli.show.failures import Interrupted
from gadus.eventloop import new_event_loop

Result = TypeVar("Result")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _nothing() -> None:
    """There is nothing to wake up, and no terminal to look after."""


def run_interruptible(
    work: Coroutine[Any, Any, Result], *, at_once: Callable[[], None] = _nothing, last_words: Callable[[], None] = _nothing
) -> Result:
    """
    The result of `work`, or Interrupted after its cancellation is through.

    `at_once` is called when the first signal comes, inside the signal handler, to wake up whatever blocks the event loop;
    `last_words` before a second signal leaves the process.
    """
    received: list[int] = []

    async def cancellable() -> Result:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def handle(number: int, _frame: FrameType | None) -> None:
            if received:
                last_words()
                os._exit(128 + number)
            received.append(number)
            at_once()
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)

        # Plain handlers, not the loop's own: they also run while the loop waits for a slow reader of our output.
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            if before[number] is not signal.SIG_IGN:  # under nohup
                signal.signal(number, handle)
        try:
            return await work
        finally:
            for number in _SIGNALS:
                signal.signal(number, before[number])

    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(cancellable())
    except asyncio.CancelledError as exc:
        if not received:
            raise
        raise Interrupted(received[0]) from exc
