"""What was measured, kept as JSON, so that a part can be measured again without the rest."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .measure import Run
from .shaping.traffic import Traffic
from .studies.study import Measured

Figure = Callable[[Run], float]


def seconds(run: Run) -> float:
    """The work alone, of the whole workload."""
    return run.seconds * run.times


def process_seconds(run: Run) -> float:
    """From the start of the process to its end; starting it is not multiplied."""
    return run.wall_seconds + run.seconds * (run.times - 1)


def cpu_seconds(run: Run) -> float:
    """User and system time of all processes; what was spent on starting, at most one core's, is not multiplied."""
    starting = min(run.cpu_seconds, run.wall_seconds - run.seconds)
    return starting + (run.cpu_seconds - starting) * run.times


@dataclass(frozen=True, slots=True)
class Record:
    """One study under one profile; `command` measures it again, `machine` is what it was measured on."""

    title: str
    command: str
    when: str
    machine: Sequence[str]
    measured: Measured

    def runs(self, name: str) -> list[Run]:
        """Every round's run of that name."""
        return [one[name] for one in self.measured.rounds if name in one]

    @property
    def names(self) -> list[str]:
        """Who took part, in the order of appearance in the first round and those after it."""
        return list(dict.fromkeys(name for one in self.measured.rounds for name in one))

    def ratios(self, name: str, other: str, figure: Figure = seconds) -> list[float]:
        """`name` divided by `other` in each round that has both."""
        return [figure(one[name]) / figure(one[other]) for one in self.measured.rounds if name in one and other in one]

    def traffic(self, name: str) -> list[tuple[Run, Traffic]]:
        """The runs whose traffic was counted: the one made for that, else those of the rounds."""
        counted = [self.measured.counted[name]] if name in self.measured.counted else self.runs(name)
        return [(run, run.traffic) for run in counted if run.traffic]

    def document(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {
            "title": self.title,
            "command": self.command,
            "when": self.when,
            "machine": list(self.machine),
            "rounds": [{name: run.document() for name, run in one.items()} for one in self.measured.rounds],
            "counted": {name: run.document() for name, run in self.measured.counted.items()},
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        rounds = [{name: Run.of(run) for name, run in one.items()} for one in document["rounds"]]
        counted = {name: Run.of(run) for name, run in document["counted"].items()}
        measured = Measured(rounds, counted)
        return cls(document["title"], document["command"], document["when"], document["machine"], measured)


@dataclass(slots=True)
class Results:
    """Records by ``<study>/<profile>``, e.g. "W7.W3/raw"."""

    records: dict[str, Record] = field(default_factory=dict)

    def get(self, key: str) -> Record | None:
        return self.records.get(key)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        documents = {key: record.document() for key, record in sorted(self.records.items())}
        path.write_text(json.dumps(documents, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote; nothing when there is no such file."""
        documents = json.loads(path.read_text()) if path.exists() else {}
        return cls({key: Record.of(document) for key, document in documents.items()})


def median(figures: Sequence[float]) -> float:
    return statistics.median(figures)


def spread(figures: Sequence[float], digits: int = 2) -> str:
    """The median with the smallest and the largest, as text."""
    if len(figures) == 1:
        return f"{figures[0]:.{digits}f}"
    return f"{median(figures):.{digits}f} ({min(figures):.{digits}f}–{max(figures):.{digits}f})"
