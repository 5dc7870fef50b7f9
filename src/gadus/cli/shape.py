"""What one has to know of a job to follow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gadus.client import Document

if TYPE_CHECKING:
    from gadus.core.spec import JobSpec

_ENDLESS = ("service", "daemon")
_ON_EVERY_NODE = ("ops", "daemon")


@dataclass(frozen=True, slots=True)
class Shape:
    """How many executions a job has, whether it ends by itself, and whether it reads anything."""

    type: str
    count: int
    has_inputs: bool

    @classmethod
    def of_spec(cls, spec: JobSpec) -> Self:
        """That of a job that is submitted."""
        return cls(spec.type, spec.count, bool(spec.task.input_sources))

    @classmethod
    def of_document(cls, job: Document) -> Self:
        """That of a job that the API tells of."""
        return cls(job["Type"], job["Count"], bool(job["Tasks"][0].get("InputSources")))

    @property
    def many(self) -> bool:
        """Whether lines need the index of their execution."""
        return self.count > 1 or self.type in _ON_EVERY_NODE

    @property
    def endless(self) -> bool:
        """Whether it does not end by itself."""
        return self.type in _ENDLESS


@dataclass(frozen=True, slots=True)
class Begun:
    """A job that was begun: `edition` is the version of it that is meant, 0 for the latest."""

    job_id: str
    shape: Shape
    edition: int = 0
    warnings: Sequence[str] = ()
