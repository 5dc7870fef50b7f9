"""Executions in this very process: they live no longer than it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gadus.contracts import Reporter
from gadus.core.job import Execution, Failure, Job, Outcome
from gadus.core.placement import Node

Execute = Callable[[Job, Execution, Reporter], Awaitable[Outcome]]
"""Runs one execution to its end. Cancelled, it returns when everything of it is gone."""


class Backend:
    """Runs executions beside each other in one event loop; to stop following one is to end it."""

    def __init__(self, nodes: Callable[[], Sequence[Node]], execute: Execute, forget_job: Callable[[str], None]) -> None:
        """`forget_job` removes what the executions of a job share."""
        self._nodes = nodes
        self._execute = execute
        self._forget_job = forget_job
        self._running: dict[str, asyncio.Future[Outcome]] = {}

    def nodes(self) -> Sequence[Node]:
        """The only node: this machine."""
        return self._nodes()

    async def joined(self) -> None:
        """Never: there is one node as long as there is this process."""
        await asyncio.Event().wait()

    async def run(self, job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        """Run it here; cancelling ends it, and returns when everything of it is gone."""
        running = asyncio.ensure_future(self._execute(job, execution, reporter))
        self._running[execution.id] = running
        try:
            return await running
        except asyncio.CancelledError:
            if not running.done():
                running.cancel()
                await asyncio.wait([running])
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return Outcome(error=Failure(kind="Stopped", message="stopped before its end"))
        finally:
            del self._running[execution.id]

    async def stop(self, execution_id: str) -> None:
        """Cancel it, once: a second cancellation would interrupt its cleaning up after the first."""
        running = self._running.get(execution_id)
        if running is not None and not _asked_to_end(running):
            running.cancel()

    async def forget(self, execution_id: str) -> None:
        """Nothing is kept here."""

    async def over(self, job_id: str) -> None:
        """Remove what its executions shared."""
        self._forget_job(job_id)

    def found(self) -> Sequence[str]:
        """None: an earlier process took its executions with it."""
        return ()


def _asked_to_end(running: asyncio.Future[Outcome]) -> bool:
    return isinstance(running, asyncio.Task) and bool(running.cancelling())
