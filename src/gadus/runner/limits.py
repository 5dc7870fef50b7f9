"""Runs a program within what its job allows it: so much time, so much disk. Memory, CPU and processes are the engine's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from gadus.contracts import STOP_GRACE_SECONDS, Engine, Output, Program
from gadus.core.errors import TimedOut
from gadus.core.spec import Task
from gadus.core.units import format_seconds

from .quota import disk_watched

TIMEOUT_GRACE_SECONDS = 10.0
"""A person who stops a job waits for it; nobody waits for a time-out, so the program has time to save what it has."""


@asynccontextmanager
async def limited(what: str, seconds: float, setting: str) -> AsyncIterator[None]:
    """Cancel the block when it takes longer than `seconds`, 0 is no limit. Raises TimedOut that names the setting."""
    try:
        async with asyncio.timeout(seconds or None):
            yield
    except TimeoutError as exc:
        raise TimedOut(
            f"{what} took longer than {format_seconds(seconds)}",
            hint=f"this node gives it so long: whoever runs it can give more with {setting}",
        ) from exc


async def run_within_limits(engine: Engine, program: Program, task: Task, output: Output) -> int:
    """
    The exit code of the prepared `program`, as `Engine.run` gives it.

    Raises TimedOut and DiskLimitExceeded once everything is gone, and what `Engine.run` raises.
    """
    seconds = task.timeouts.execution_timeout
    writable = [mount.source for mount in program.mounts if mount.writable]
    try:
        async with asyncio.timeout(seconds or None) as clock:
            limited = replace(program, grace_seconds=lambda: TIMEOUT_GRACE_SECONDS if clock.expired() else STOP_GRACE_SECONDS)
            async with disk_watched(writable, task.resources.disk_bytes, lambda: engine.own_disk_bytes(limited)):
                return await engine.run(limited, output)
    except TimeoutError as exc:
        raise TimedOut(
            f"Execution timed out after {format_seconds(seconds)}",
            hint="Increase the task timeout or allocate more resources",
        ) from exc
