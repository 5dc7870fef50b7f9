"""What would become of a job: its inputs, parts, engine, node and room, and every reason why it cannot run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .job import Failure, Pin
from .placement import Node
from .spec import JobSpec


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of objects and all their bytes; an object whose size nobody says counts as empty."""

    objects: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """
    What an input is now. Without a `pin` it could not be read, and `problem` says why.

    `cached` need not be fetched. `parts` are what the executions get, by index; none when each of them sees the whole input.
    """

    target: str
    source: str
    is_program: bool
    pin: Pin | None = None
    cached: Amount = Amount()
    parts: Sequence[Amount] = ()
    problem: Failure | None = None

    @property
    def to_fetch(self) -> Amount:
        """What would come over the network, for all executions together."""
        if self.pin is None:
            return Amount()
        return Amount(self.pin.objects - self.cached.objects, self.pin.size_bytes - self.cached.size_bytes)

    @property
    def largest_part_bytes(self) -> int:
        """What one execution needs of it, at the most."""
        if self.parts:
            return max(part.size_bytes for part in self.parts)
        return self.pin.size_bytes if self.pin else 0


@dataclass(frozen=True, slots=True)
class PlannedEngine:
    """Whether the program could start at once, and what there is to say of engine and program."""

    type: str
    ready: bool
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PlannedRoom:
    """The disk below the cache: what is free of it, what the cache holds, and what it may hold."""

    free_bytes: int
    cache_used_bytes: int
    cache_limit_bytes: int


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the job would run. `reasons_against` are by the id of the node; `chosen` is None when no node can run it."""

    nodes: Sequence[Node] = ()
    reasons_against: Mapping[str, Sequence[str]] = field(default_factory=dict)
    chosen: Node | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it. The job can run when there is no problem."""

    spec: JobSpec
    inputs: Sequence[PlannedInput]
    engine: PlannedEngine
    placing: Placing
    room: PlannedRoom
    problems: Sequence[Failure]

    @property
    def to_fetch(self) -> Amount:
        """What would come over the network, each input counted once."""
        amounts = [one.to_fetch for one in self._distinct()]
        return Amount(sum(one.objects for one in amounts), sum(one.size_bytes for one in amounts))

    def _distinct(self) -> list[PlannedInput]:
        # Two targets with the same objects are one tree.
        by_digest = {one.pin.digest if one.pin and one.pin.exact else one.target: one for one in self.inputs}
        return list(by_digest.values())
