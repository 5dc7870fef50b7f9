"""What a person sees on standard error while inputs are staged and the engine is prepared."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Protocol

from gadus.core.job import Phase
from gadus.core.units import format_bytes, format_seconds

from .failures import say
from .progress import ExecutionProgress, Staging, staging_of
from .text import count_of, printable, share, shortened


class View(Protocol):
    """Shows how far the executions are; `show` is called very often."""

    def show(self, executions: Sequence[ExecutionProgress]) -> None:
        """Something moved."""

    def close(self) -> None:
        """Leave the terminal to the program's output. Calling again is allowed; nothing is shown any more."""


class NoView:
    """Shows nothing."""

    def show(self, executions: Sequence[ExecutionProgress]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing to leave."""


def view_for_people(count: int) -> View:
    """Bars on a terminal, plain lines anywhere else; `count` is how many executions the job has."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - a quarter of the start-up time of a job whose output is piped

        console = Console(stderr=True)
        if not console.is_dumb_terminal:
            from .bars import Bars  # noqa: PLC0415 - as above

            return Bars(console)
    return Lines(count)


class Lines:
    """Plain lines without control codes: one when a phase ends, and of progress at most one every two seconds."""

    SECONDS_BETWEEN = 2.0

    def __init__(self, count: int) -> None:
        self._count = count
        self._next = time.monotonic() + self.SECONDS_BETWEEN
        self._told: set[str] = set()
        self._closed = False

    def show(self, executions: Sequence[ExecutionProgress]) -> None:
        if self._closed:
            return
        if self._count == 1:
            self._ends_of_phases(executions[-1])
        now = time.monotonic()
        if now >= self._next and (line := self._line(executions)):
            self._next = now + self.SECONDS_BETWEEN
            say(line)

    def close(self) -> None:
        self._closed = True

    def _ends_of_phases(self, one: ExecutionProgress) -> None:
        took = format_seconds(time.monotonic() - one.began)
        running = one.now in (Phase.RUNNING, Phase.PUBLISHING)
        if one.inputs and (running or one.all_arrived):
            cached = f"{format_bytes(one.cached_bytes)} of it cached"
            self._once(
                "staged", f"Staged {count_of(one.objects, 'object')}, {format_bytes(one.size_bytes)} ({cached}) in {took}"
            )
        if one.engine_work and (running or one.is_prepared):
            self._once("prepared", f"Prepared in {took}: {printable(one.engine_work)}")

    def _once(self, phase: str, line: str) -> None:
        if phase not in self._told:
            self._told.add(phase)
            say(line)

    def _line(self, executions: Sequence[ExecutionProgress]) -> str:
        waiting = [one for one in executions if one.now is Phase.STAGING]
        parts = [self._executions(executions)] if self._count > 1 else []
        if waiting and any(one.inputs and not one.all_arrived for one in waiting):
            parts.append(staging_line(staging_of(executions), time.monotonic() - waiting[0].began))
        parts += [preparing_line(one) for one in waiting[:1] if one.engine_work and not one.is_prepared]
        return "; ".join(parts)

    def _executions(self, executions: Sequence[ExecutionProgress]) -> str:
        running = sum(one.now is Phase.RUNNING for one in executions)
        return f"{len(executions)} of {count_of(self._count, 'execution')} begun, {running} running"


def staging_line(staging: Staging, seconds: float) -> str:
    """One line on all inputs, `seconds` after their staging began."""
    if not staging.known:
        here = format_bytes(staging.arrived_bytes + staging.cached_bytes)
        return f"Staging: listing, {count_of(staging.objects, 'object')} found so far, {here} of them here"
    rate = staging.arrived_bytes / max(seconds, 0.001)
    left = f", about {format_seconds((staging.to_fetch_bytes - staging.arrived_bytes) / rate)} left" if rate > 0 else ""
    return (
        f"Staging: {share(staging.arrived_bytes, staging.to_fetch_bytes)}, {staging.arrived_objects:,} of "
        f"{count_of(staging.objects, 'object')}, {format_bytes(rate)}/s{left}, {staging.cached_percent} % cached"
    )


def preparing_line(one: ExecutionProgress) -> str:
    work = shortened(printable(one.engine_work), 80)
    amount = share(one.engine_bytes, one.engine_total_bytes)
    return f"Preparing: {work}, {amount}" if one.engine_total_bytes else f"Preparing: {work}"
