"""How far a job's executions are: plain numbers, fed by reporters and read by whoever shows them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gadus.contracts import Stream
from gadus.core.job import Phase, Pin

Emit = Callable[[int, Stream, bytes], None]
"""Takes the output of one execution, by its index."""


@dataclass(slots=True)
class ExecutionProgress:
    """
    A `Reporter` that adds up. Every call ends in `moved`, which must be cheap.

    Objects that were in the cache are part of `objects` and `size_bytes` but never arrive.
    """

    index: int
    inputs: int
    moved: Callable[[], None]
    emit: Emit
    now: Phase | None = None
    inputs_found: int = 0
    objects: int = 0
    size_bytes: int = 0
    cached_objects: int = 0
    cached_bytes: int = 0
    arrived_objects: int = 0
    arrived_bytes: int = 0
    engine_work: str = ""
    engine_bytes: int = 0
    engine_total_bytes: int = 0
    is_prepared: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def all_arrived(self) -> bool:
        """Whether every input is known and no byte is missing."""
        return self.inputs_found == self.inputs and self.arrived_bytes >= self.size_bytes - self.cached_bytes

    def phase(self, phase: Phase, *, at: float | None = None) -> None:  # noqa: ARG002 - when is not shown
        self.now = phase
        self.moved()

    def found(self, objects: int, size_bytes: int) -> None:
        self.objects += objects
        self.size_bytes += max(size_bytes, 0)
        self.moved()

    def pinned(self, pin: Pin) -> None:
        """Not shown while the job runs."""

    def found_whole(self) -> None:
        self.inputs_found += 1
        self.moved()

    def staged(self, objects: int, size_bytes: int, *, cached: bool = False) -> None:
        if cached:
            self.cached_objects += objects
            self.cached_bytes += size_bytes
        else:
            self.arrived_objects += objects
            self.arrived_bytes += size_bytes
        self.moved()

    def preparing(self, what: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self.engine_work = what
        self.engine_bytes = done_bytes
        self.engine_total_bytes = total_bytes
        self.moved()

    def prepared(self) -> None:
        self.is_prepared = True
        self.moved()

    def output(self, stream: Stream, data: bytes) -> None:
        self.emit(self.index, stream, data)


@dataclass(frozen=True, slots=True)
class Staging:
    """The inputs of all executions together."""

    objects: int
    size_bytes: int
    cached_bytes: int
    arrived_objects: int
    arrived_bytes: int
    known: bool
    """Whether every input was found; before that the totals still grow."""

    @property
    def to_fetch_bytes(self) -> int:
        return max(self.size_bytes - self.cached_bytes, 0)

    @property
    def cached_percent(self) -> int:
        return 100 * self.cached_bytes // self.size_bytes if self.size_bytes else 0


def staging_of(executions: Sequence[ExecutionProgress]) -> Staging:
    return Staging(
        objects=sum(one.objects for one in executions),
        size_bytes=sum(one.size_bytes for one in executions),
        cached_bytes=sum(one.cached_bytes for one in executions),
        arrived_objects=sum(one.arrived_objects for one in executions),
        arrived_bytes=sum(one.arrived_bytes for one in executions),
        known=all(one.inputs_found == one.inputs for one in executions),
    )
