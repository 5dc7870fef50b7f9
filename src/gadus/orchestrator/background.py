"""Tasks that nobody waits for, none of whose defects goes unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Self

from gadus.core.errors import Bug


class Background:
    """The tasks of a block, which end with it. `failure` fails with the first defect."""

    def __init__(self) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancels what is under way, and waits until it is gone."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.failure.cancel()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do this aside."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._look)
        return task

    def _look(self, task: asyncio.Task[None]) -> None:
        """A defect of ours in a task is one of the whole, and its owner must know."""
        if task.cancelled() or task.exception() is None:
            return
        if not self.failure.done():
            self.failure.set_exception(task.exception() or Bug("unknown"))
