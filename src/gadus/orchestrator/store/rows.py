"""Jobs and events as rows, and back; every row has a checksum of all that is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from zlib import crc32

from pydantic import TypeAdapter, ValidationError

from gadus.core.job import Event, Execution, Job, Record, Vacancy
from gadus.core.spec import JobSpec

from .database import Row, Value
from .failures import corrupt

Needs = Callable[[JobSpec], str]
Deadline = Callable[[Job], float | None]

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_VACANCIES = TypeAdapter(list[Vacancy])
LISTS = ("executions", "vacancies")
"""The kinds of parts, as the job names them."""
_Kind = TypeVar("_Kind", bound=Record)


def checksum(*covered: object) -> int:
    """The CRC-32 of these values, in this order."""
    return crc32("\0".join(map(str, covered)).encode())


def event_row(seq: int, job_id: str, version: int, event: Event) -> tuple[Value, ...]:
    """A row of events."""
    text = event.model_dump_json()
    return (seq, job_id, version, event.at, text, checksum(job_id, version, text))


def event_of(where: str, job_id: str, version: int, text: str, found: int) -> Event:
    """The event of a row. Raises StoreCorrupt."""
    what = f"event {version} of job {job_id}"
    _verified(where, what, found, job_id, version, text)
    try:
        return _EVENT.validate_json(text)
    except ValidationError as exc:
        raise corrupt(where, f"{what} is none: {exc.errors()[0]['msg']}") from exc


def standing_of(job: Job) -> str:
    """Whether the job is waiting, active or over: see `tables`."""
    if job.state.final and not job.live:
        return "over"
    # A daemon also waits for nodes that are not there yet, and somebody looks after an attended job: those are needed whole.
    light = job.vacancies and not job.executions and not job.attended and job.spec.type != "daemon"
    return "waiting" if light and not job.state.final else "active"


def job_row(job: Job, needs: Needs, deadline: Deadline, *, folded: bool = True) -> tuple[Value, ...]:
    """A row of jobs."""
    standing = standing_of(job)
    waits = standing == "waiting"
    text = job.model_dump_json(exclude=set(LISTS))
    parts = len(job.executions) + len(job.vacancies)
    facts = (
        job.id,
        job.version,
        job.spec.namespace,
        job.spec.name,
        job.state.value,
        job.created_at,
        standing,
        int(folded),
        parts,
    )
    light = (job.spec.type, job.spec.priority, needs(job.spec) if waits else "", deadline(job) if waits else None)
    return (*facts, *light, text, checksum(*facts, *light, text))


def part_row(job_id: str, part: Execution | Vacancy, position: int | None) -> tuple[Value, ...]:
    """A row of parts. Its position is the one thing that no checksum covers: it stays when the rest changes."""
    kind = "executions" if isinstance(part, Execution) else "vacancies"
    text = part.model_dump_json()
    return (job_id, kind, part.id, position, text, checksum(job_id, kind, part.id, text))


def job_of(where: str, row: Row, parts: Sequence[Row]) -> Job:
    """The job of a row and its parts, which are in the order of their kinds and positions. Raises StoreCorrupt."""
    *facts, text, found = row
    job_id = str(facts[0])
    _verified(where, f"job {job_id}", found, *facts, text)
    complete(where, job_id, len(parts), facts[8])
    for part in parts:
        verify_part(where, part)
    lists = (f'"{name}":[{",".join(part[4] for part in parts if part[1] == name)}]' for name in LISTS)
    return parsed(Job, where, f"job {job_id}", f"{text[:-1]},{','.join(lists)}}}")


def complete(where: str, job_id: str, found: int, expected: int) -> None:
    """Raises StoreCorrupt for a job with more or fewer parts than it was written with."""
    if found != expected:
        raise corrupt(where, f"job {job_id} has {found} of its {expected} executions and vacancies")


def verify_part(where: str, row: Row) -> None:
    """Raises StoreCorrupt for a row of parts that is not as it was written."""
    job_id, kind, part_id, _, text, found = row
    _verified(where, f"{part_id} among the {kind} of job {job_id}", found, job_id, kind, part_id, text)


def verify_job(where: str, row: Row) -> None:
    """Raises StoreCorrupt for a row of jobs that is not as it was written."""
    *covered, found = row
    _verified(where, f"job {covered[0]}", found, *covered)


def labels_of(where: str, row: Row) -> Mapping[str, str]:
    """The labels of a job, by its row. Raises StoreCorrupt."""
    verify_job(where, row)
    labels: Mapping[str, str] = json.loads(row[13])["spec"]["Labels"]
    return labels


def vacancies_of(where: str, rows: Sequence[Row]) -> list[Vacancy]:
    """The vacancies of rows of parts. Raises StoreCorrupt."""
    for row in rows:
        verify_part(where, row)
    try:
        return _VACANCIES.validate_json(f"[{','.join(row[4] for row in rows)}]")
    except ValidationError as exc:
        raise corrupt(where, f"a vacancy cannot be read: {exc.errors()[0]['msg']}") from exc


def parsed(model: type[_Kind], where: str, what: str, text: str) -> _Kind:
    """The value that `text` is. Raises StoreCorrupt."""
    try:
        return model.model_validate_json(text)
    except ValidationError as exc:
        raise corrupt(where, f"{what} cannot be read: {exc.errors()[0]['msg']}") from exc


def _verified(where: str, what: str, found: object, *covered: object) -> None:
    if found != checksum(*covered):
        raise corrupt(where, f"{what} is not what was written")
