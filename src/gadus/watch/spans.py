"""
An execution as pieces of time, each inside another:

    job ─┬─ submit
         └─ execution ─┬─ queue
                       ├─ stage ── input …
                       ├─ prepare
                       ├─ run
                       └─ publish

Their ids are made of the ids of jobs and executions: whoever lost its memory meanwhile makes the same ones.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gadus.core.job import Ended, Execution, Job, Phase, Placed, State, Vacancy

from .receipts import inputs_of, seconds_of

_MOST_INPUTS = 50


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, Unix seconds; `id` and `parent` are 16 hexadecimal digits. `trouble` is why it failed."""

    name: str
    id: str
    parent: str
    start: float
    end: float
    about: Mapping[str, str | int | float] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands in a trace: `parent` is empty when it is the job's own."""

    trace: str
    parent: str
    is_sampled: bool


def place_of(job: Job) -> Place:
    """The trace that the job was submitted in, or one of its own."""
    if not job.trace:
        return Place(_hash(job.id, job.edition)[:32], "", is_sampled=True)
    _, trace, parent, flags = job.trace.split("-")
    return Place(trace, parent, is_sampled=bool(int(flags, 16) & 1))


def submitted(job: Job) -> Iterator[Span]:
    """The job was accepted just now."""
    yield Span("submit", _id(job.id, job.edition, "submit"), _of(job), job.begun_at, time.time(), _about(job))


def over(job: Job) -> Iterator[Span]:
    """The job is final."""
    trouble = (job.message or job.state.value) if job.state is State.FAILED else ""
    about = _about(job) | {"gadus.job.state": job.state.value}
    yield Span("job", _of(job), place_of(job).parent, job.begun_at, job.modified_at, about, trouble)


def placed(job: Job, event: Placed, vacancy: Vacancy) -> Iterator[Span]:
    """An execution has a place."""
    since = min(event.at, max(vacancy.since, vacancy.not_before))
    about = {"gadus.execution.id": vacancy.id, "gadus.node": event.node}
    yield Span("queue", _id(vacancy.id, "queue"), _id(vacancy.id), since, event.at, about | _about(job))


def ended(job: Job, execution: Execution, event: Ended, times: Mapping[Phase, float]) -> Iterator[Span]:
    """An execution is over; `times` are when it entered its phases."""
    outcome, error = event.outcome, event.outcome.error
    about: dict[str, str | int | float] = _about(job) | {
        "gadus.execution.id": execution.id,
        "gadus.execution.index": execution.index,
        "gadus.execution.attempt": execution.attempt,
        "gadus.node": execution.node,
        "gadus.engine": job.spec.task.engine.name,
    }
    if outcome.exit_code is not None:
        about["gadus.exit_code"] = outcome.exit_code
    trouble = f"{error.kind}: {error.message}" if error else ""
    yield Span("execution", _id(execution.id), _of(job), execution.created_at, event.at, about, trouble)
    seconds = seconds_of(outcome, event.at, times)
    last = list(times)[-1] if times else None
    for name, phase, timed in _PHASES:
        if phase not in times or (name == "prepare" and timed not in seconds):
            continue
        end = times[phase] + seconds[timed] if timed in seconds else _left(times, phase, event.at)
        own = trouble if phase is last and name != "prepare" else ""
        yield Span(name, _id(execution.id, name), _id(execution.id), times[phase], min(end, event.at), {}, own)
    if Phase.STAGING in times:
        yield from _inputs(job, execution, event, times[Phase.STAGING])


_PHASES = (
    ("stage", Phase.STAGING, "staging"),
    ("prepare", Phase.STAGING, "preparing"),
    ("run", Phase.RUNNING, "running"),
    ("publish", Phase.PUBLISHING, "publishing"),
)


def _inputs(job: Job, execution: Execution, event: Ended, start: float) -> Iterator[Span]:
    for number, (source, one) in enumerate(inputs_of(job, event.outcome)):
        if number == _MOST_INPUTS:
            return
        about = {
            "gadus.input.target": one["target"],
            "gadus.input.source": source,
            "gadus.input.location": one["location"],
            "gadus.input.objects": one["objects"],
            "gadus.input.bytes": one["bytes"],
            "gadus.input.fetched_objects": one["fetched_objects"],
            "gadus.input.fetched_bytes": one["fetched_bytes"],
            "gadus.input.cached": str(one["objects"] > 0 and not one["fetched_objects"]).lower(),
        }
        end = min(start + one["seconds"], event.at)
        yield Span("input", _id(execution.id, "input", number), _id(execution.id, "stage"), start, end, about)


def _left(times: Mapping[Phase, float], phase: Phase, ended_at: float) -> float:
    """When the next phase began."""
    return min((at for at in times.values() if at > times[phase]), default=ended_at)


def _about(job: Job) -> dict[str, str | int | float]:
    spec = job.spec
    return {
        "gadus.job.id": job.id,
        "gadus.job.name": spec.name,
        "gadus.job.type": spec.type,
        "gadus.job.version": job.edition,
        "gadus.namespace": spec.namespace,
    }


def _of(job: Job) -> str:
    return _id(job.id, job.edition)


def _id(*parts: Any) -> str:
    return _hash(*parts)[:16]


def _hash(*parts: Any) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
