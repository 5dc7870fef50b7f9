"""What a job was, each time that it was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gadus.core.errors import NotFound
from gadus.core.job import Event, Job, Renewed, Submitted
from gadus.core.spec import JobSpec


def editions_of(events: Iterable[tuple[object, Event]]) -> dict[int, JobSpec]:
    """Every spec that a job had, by its number, from its events in order."""
    specs = [event.spec for _, event in events if isinstance(event, Submitted | Renewed)]
    return dict(enumerate(specs, 1))


def edition_of(job: Job, editions: Mapping[int, JobSpec], number: int) -> JobSpec:
    """The spec that the job had as this edition; its latest for 0. Raises NotFound."""
    spec = editions.get(number or job.edition)
    if spec is None:
        raise NotFound(f"job {job.id} has no version {number}", hint=f"its versions are 1 to {job.edition}")
    return spec
