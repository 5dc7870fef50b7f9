"""The history of a job, told from its events in Bacalhau's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gadus.core.errors import Conflict
from gadus.core.job import (
    Ended,
    Event,
    Expired,
    Failure,
    Job,
    Matched,
    Outcome,
    Phase,
    PhaseEntered,
    Pinned,
    Placed,
    Renewed,
    State,
    StopRequested,
    Submitted,
    Unplaceable,
)
from gadus.core.lifecycle import decide
from gadus.core.units import format_bytes

from .wire import Document, Numbering, job_state, rfc3339

_EVENTS_FOLDED = 3000
"""A longer history does not tell at which event the state of the job changed, but only how it ended."""
_TOPICS = {
    Phase.STAGING: "Downloading Inputs",
    Phase.RUNNING: "Running Execution",
    Phase.PUBLISHING: "Publishing Results",
}
_PHASES = {
    Phase.STAGING: "Bringing the inputs",
    Phase.RUNNING: "Running the program",
    Phase.PUBLISHING: "Keeping the results",
}


def history(job: Job, events: Sequence[Event], numbering: Numbering) -> list[Document]:
    """
    One entry for each event, and one more for each change of the job's state that an execution caused; oldest first.

    They are numbered from 1, and the same entry has the same number for ever.
    """
    return [{"SeqNum": number, **document} for number, document in enumerate(_History(job, numbering).entries(events), 1)]


@dataclass(slots=True)
class _Told:
    """What an entry says of its event."""

    topic: str
    message: str
    details: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """What is known of an execution at some point of the history."""

    node: str
    edition: int
    number: int
    phase: Phase | None = None


class _History:
    def __init__(self, job: Job, numbering: Numbering) -> None:
        self._job = job
        self._numbering = numbering
        self._known: dict[str, _Known] = {}
        self._edition = 1

    def entries(self, events: Sequence[Event]) -> Iterator[Document]:
        before = "Pending"
        folds = len(events) <= _EVENTS_FOLDED
        job: Job | None = None
        for revision, event in enumerate(events, 1):
            self._edition += isinstance(event, Renewed)
            job = _after(job, event) if folds else None
            after = job_state(job) if job else before
            if isinstance(event, Placed | PhaseEntered | Ended):
                yield self._of_execution(event, revision)
                if after != before:
                    message = job.message if job else ""
                    yield self._of_job(event.at, revision, before, after, _Told("Scheduling", message))
            else:
                yield self._of_job(event.at, revision, before, after, _of(event))
            before = after
        if not folds and self._job.state.final:
            told = _Told("Scheduling", self._job.message)
            yield self._of_job(events[-1].at, len(events), before, job_state(self._job), told)

    def _of_execution(self, event: Placed | PhaseEntered | Ended, revision: int) -> Document:
        if isinstance(event, Placed):
            self._known[event.execution_id] = _Known(event.node, self._edition, self._numbering.new)
        known = self._known.setdefault(event.execution_id, _Known("", self._edition, 0))
        phase = known.phase
        previous, known.number = known.number, self._number_after(event)
        if isinstance(event, PhaseEntered):
            known.phase = event.phase
        return {
            "Type": "ExecutionLevel",
            "JobID": self._job.id,
            "JobVersion": known.edition,
            "NodeID": known.node,
            "ExecutionID": event.execution_id,
            "ExecutionState": _change(previous, known.number),
            "NewRevision": revision,
            **_event(event.at, _of_execution(event, phase)),
        }

    def _of_job(self, at: float, revision: int, before: str, after: str, told: _Told) -> Document:
        return {
            "Type": "JobLevel",
            "JobID": self._job.id,
            "JobVersion": self._edition,
            "JobState": {"Previous": before, "New": after},
            "NewRevision": revision,
            **_event(at, told),
        }

    def _number_after(self, event: Placed | PhaseEntered | Ended) -> int:
        match event:
            case Placed():
                return self._numbering.number_of(State.RUNNING)
            case PhaseEntered():
                return self._numbering.number_of(State.RUNNING, event.phase)
            case Ended():
                return self._numbering.number_of(_end_state(event.outcome))


def _end_state(outcome: Outcome) -> State:
    if outcome.exit_code is not None:
        return State.COMPLETED
    return State.STOPPED if outcome.error is not None and outcome.error.kind == "Stopped" else State.FAILED


def _after(job: Job | None, event: Event) -> Job | None:
    if job is None and not isinstance(event, Submitted):
        return None
    try:
        return decide(job, event)[0]
    except Conflict:
        # Of a version of Gadus with other rules.
        return None


def _change(previous: int, new: int) -> dict[str, int]:
    return {"Previous": previous, "New": new} if previous else {"New": new}


def _event(at: float, told: _Told) -> Document:
    event: Document = {"Message": told.message, "Topic": told.topic, "Timestamp": rfc3339(at)}
    if told.details:
        event["Details"] = told.details
    return {"Comment": told.message, "Event": event, "Time": rfc3339(at)}


def _of_execution(event: Placed | PhaseEntered | Ended, phase: Phase | None) -> _Told:
    match event:
        case Placed():
            return _Told("Requesting Node", "Accepted job")
        case PhaseEntered():
            return _Told(_TOPICS[event.phase], _PHASES[event.phase])
        case Ended():
            topic = _TOPICS[phase or Phase.STAGING]
            outcome = event.outcome
            if outcome.error is None:
                return _Told(topic, f"The program ended with exit code {outcome.exit_code}")
            return _Told(topic, outcome.error.message, _details(outcome.error, can_retry=outcome.can_retry))


def _details(error: Failure, *, can_retry: bool) -> dict[str, str]:
    details = {"ErrorCode": error.kind, "FailsExecution": "true", "IsError": "true"}
    if error.hint:
        details["Hint"] = error.hint
    if can_retry:
        details["Retryable"] = "true"
    return details


def _of(event: Submitted | Renewed | Matched | Unplaceable | Pinned | StopRequested | Expired) -> _Told:
    match event:
        case Submitted():
            return _Told("Submission", "Job submitted")
        case Renewed():
            return _Told("Submission", "Job submitted anew", _reason(event.reason))
        case Matched():
            return _Told("Scheduling", f"Matching nodes: {', '.join(event.nodes) or 'none'}")
        case Unplaceable():
            return _Told("Queueing", f"Job queued. {event.message}")
        case Pinned(pin=pin):
            objects = "1 object" if pin.objects == 1 else f"{pin.objects} objects"
            size = format_bytes(pin.size_bytes)
            return _Told("Downloading Inputs", f"{pin.target} is {objects}, {size}, from {pin.location}")
        case StopRequested():
            return _Told("Scheduling", "Job requested to stop before completion", _reason(event.reason))
        case Expired():
            return _Told("Job Timeout", event.message or "Job timed out", {"IsError": "true"})


def _reason(text: str) -> dict[str, str]:
    return {"Reason": text} if text else {}
