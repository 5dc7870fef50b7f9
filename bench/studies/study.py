"""What a study is: an id, the workload it needs, and how its rounds come about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.measure import Run
from bench.stand import Stand

Round = Mapping[str, Run]
"""What each taking part did, by its name; a slow one may have sat the round out."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`rounds` have the figures; `counted` are runs whose traffic was counted and whose seconds mean nothing."""

    rounds: Sequence[Round]
    counted: Round = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Study:
    """`run` makes so many rounds. `title` completes the workload's own, e.g. "warm"."""

    id: str
    workload: str
    title: str
    profiles: Sequence[str]
    run: Callable[[Stand, int], Measured]

    @property
    def family(self) -> str:
        """The id without what comes after the dot: what a person asks for."""
        return self.id.partition(".")[0]
