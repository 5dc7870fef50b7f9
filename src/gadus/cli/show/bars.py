"""Progress bars on a terminal, drawn by rich on standard error and erased when the program begins to write."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from gadus.core.job import Phase
from gadus.core.units import format_bytes, format_seconds

from .progress import ExecutionProgress, Staging, staging_of
from .text import printable, share, shortened

_SECONDS_BETWEEN = 0.05
_RATE_WINDOW_SECONDS = 3.0


class Bars:
    """A `View`: a bar for the inputs beside one for the engine, then a spinner until the program's first output."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
            transient=True,
            # rich would put itself in front of our streams; the program's output must pass untouched.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._staging = self._progress.add_task("Staging", total=None, visible=False, detail="")
        self._preparing = self._progress.add_task("Preparing", total=None, visible=False, detail="")
        self._running = self._progress.add_task("Running", total=None, visible=False, detail="")
        self._rate = _Rate()
        self._next = 0.0
        self._phases: list[Phase | None] = []
        self._closed = False
        self._progress.start()

    def show(self, executions: Sequence[ExecutionProgress]) -> None:
        phases = [one.now for one in executions]
        now = time.monotonic()
        if self._closed or (now < self._next and phases == self._phases):
            return
        self._next = now + _SECONDS_BETWEEN
        self._phases = phases
        staging = [one for one in executions if one.now is Phase.STAGING]
        self._show_staging(executions, visible=any(one.inputs for one in staging), now=now)
        working = next((one for one in staging if not one.is_prepared), None)
        self._show_preparing(working)
        running = sum(phase in (Phase.RUNNING, Phase.PUBLISHING) for phase in phases)
        detail = f"{running} executions" if len(executions) > 1 else ""
        self._progress.update(self._running, visible=bool(running) and not staging, detail=detail)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._progress.stop()

    def _show_staging(self, executions: Sequence[ExecutionProgress], *, visible: bool, now: float) -> None:
        staging = staging_of(executions)
        rate = self._rate.after(staging.arrived_bytes, now)
        self._progress.update(
            self._staging,
            total=staging.to_fetch_bytes or 1 if staging.known else None,
            completed=staging.arrived_bytes if staging.to_fetch_bytes else 1,
            visible=visible,
            detail=_details(staging, rate),
        )

    def _show_preparing(self, one: ExecutionProgress | None) -> None:
        if one is None:
            self._progress.update(self._preparing, visible=False)
            return
        work = shortened(printable(one.engine_work or "the engine"), 48)
        amount = f", {share(one.engine_bytes, one.engine_total_bytes)}" if one.engine_total_bytes else ""
        self._progress.update(
            self._preparing,
            total=one.engine_total_bytes or None,
            completed=one.engine_bytes,
            visible=True,
            detail=work + amount,
        )


def _details(staging: Staging, rate: float) -> str:
    if not staging.known:
        return f"listing, {staging.objects:,} objects so far, {format_bytes(staging.arrived_bytes + staging.cached_bytes)} here"
    parts = [
        f"{staging.arrived_objects:,}/{staging.objects:,} objects",
        share(staging.arrived_bytes, staging.to_fetch_bytes),
        f"{format_bytes(rate)}/s",
    ]
    if rate > 0 and staging.arrived_bytes < staging.to_fetch_bytes:
        parts.append(f"{format_seconds((staging.to_fetch_bytes - staging.arrived_bytes) / rate)} left")
    if staging.cached_bytes:
        parts.append(f"{staging.cached_percent} % cached")
    return "  ".join(parts)


class _Rate:
    """Bytes per second over the last few seconds."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []

    def after(self, total_bytes: int, now: float) -> float:
        self._samples.append((now, total_bytes))
        while len(self._samples) > 2 and self._samples[0][0] < now - _RATE_WINDOW_SECONDS:
            self._samples.pop(0)
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        return max(last - first, 0) / (end - start) if end > start else 0.0
