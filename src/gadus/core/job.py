"""
A job and its executions as they are remembered, the events that change them, and the actions that follow.

    queued ◀──▶ running ──▶ completed | failed | stopped         (the last three are final for this edition of the job)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .errors import NotFound
from .manifest import Item
from .spec import JobSpec


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        return self in (State.COMPLETED, State.FAILED, State.STOPPED)


class Phase(StrEnum):
    """What a running execution is doing; timed apart."""

    STAGING = "staging"
    RUNNING = "running"
    PUBLISHING = "publishing"


class Record(BaseModel):
    """A frozen value that is stored as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(Record):
    """An error as it is remembered: its class name, what happened, the way out."""

    kind: str
    message: str
    hint: str = ""


class Outcome(Record):
    """How an execution ended: an exit code, or else an error and whether a retry can help."""

    exit_code: int | None = None
    error: Failure | None = None
    can_retry: bool = False
    receipt: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.exit_code is None) == (self.error is None):
            raise ValueError("an execution ends with an exit code or with an error: give one of them")
        return self


class Pin(Record):
    """
    What one input of a job is, whole: made once, and the same for every execution of the job.

    `digest` names the manifest, see `core.manifest`; `first` are its first objects, for people to read. Unless it is `exact`,
    nothing says which bytes some object has.
    """

    target: str
    location: str
    digest: str
    objects: int
    size_bytes: int
    exact: bool = True
    first: tuple[Item, ...] = ()


class Execution(Record):
    """
    One try to run the job's task, for one partition index, on one node.

    `gpus` are the numbers of the node's devices that are its own. It is live until it has ended; `stopping` when it was told to
    end and has not yet; `edition` is the job's that it is of.
    """

    id: str
    index: int
    node: str
    edition: int = 1
    attempt: int = 0
    state: State = State.RUNNING
    gpus: tuple[int, ...] = ()
    phase: Phase | None = None
    stopping: bool = False
    outcome: Outcome | None = None
    created_at: float
    modified_at: float


class Vacancy(Record):
    """
    An execution that waits for a place, since `since`, and not before `not_before`; only on `node` when that is named.

    Its id is the id of the execution it will be.
    """

    id: str
    index: int
    attempt: int
    node: str = ""
    since: float
    not_before: float = 0.0


class Job(Record):
    """
    The spec and all that happened to it.

    `version` counts its events; `edition` counts its specs, from 1, and `begun_at` is when the present one came: Bacalhau
    calls it the job's version. `nodes` are those an ops or daemon job runs on, by index. An `attended` job lives no longer than
    the process that submitted it. `trace` is what the ``traceparent`` of the request said that the present edition came with,
    empty when it said nothing. Times are Unix seconds.
    """

    id: str
    spec: JobSpec
    state: State = State.QUEUED
    message: str = ""
    version: int = 1
    edition: int = 1
    attended: bool = False
    trace: str = ""
    created_at: float
    begun_at: float
    modified_at: float
    nodes: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    vacancies: tuple[Vacancy, ...] = ()
    executions: tuple[Execution, ...] = ()

    @property
    def live(self) -> tuple[Execution, ...]:
        return tuple(execution for execution in self.executions if not execution.state.final)

    def chosen(self, wanted: str) -> list[Execution]:
        """The newest execution of each index, in order; or the one whose id begins with `wanted`. Raises NotFound."""
        if not wanted:
            return sorted({one.index: one for one in self.executions}.values(), key=lambda one: one.index)
        matching = [one for one in self.executions if one.id.startswith(wanted)]
        if len(matching) != 1:
            known = ", ".join(one.id for one in self.executions[:10]) or "none"
            raise NotFound(f"unable to find execution {wanted} in job {self.id}", hint=f"its executions: {known}")
        return matching

    def part_of(self, execution: Execution) -> tuple[int, int]:
        """Which part of the inputs an execution has, and of how many: on every node that a job matches it has them all."""
        return (execution.index, self.spec.count) if self.spec.type in ("batch", "service") else (0, 1)


class Submitted(Record):
    """A job was accepted; `trace` is the place in somebody's trace that it was asked for at, see `Job`."""

    kind: Literal["submitted"] = "submitted"
    at: float
    job_id: str
    spec: JobSpec
    attended: bool = False
    trace: str = ""


class Renewed(Record):
    """The job is to run anew, as `spec` says: another edition of it."""

    kind: Literal["renewed"] = "renewed"
    at: float
    spec: JobSpec
    reason: str = ""
    trace: str = ""


class Matched(Record):
    """These nodes match an ops or daemon job now; `edition` is the one they were looked up for, 0 when that is not known."""

    kind: Literal["matched"] = "matched"
    at: float
    edition: int = 0
    nodes: tuple[str, ...]


class Unplaceable(Record):
    """No node there is could ever run what waits of `edition` (0: not known which), for the reasons in `message`."""

    kind: Literal["unplaceable"] = "unplaceable"
    at: float
    edition: int = 0
    message: str


class Placed(Record):
    """An execution was given to a node, and to these devices of it; it has not begun yet."""

    kind: Literal["placed"] = "placed"
    at: float
    execution_id: str
    node: str
    gpus: tuple[int, ...] = ()


class Pinned(Record):
    """What an input of this edition consists of is known; a second pin of the same target changes nothing."""

    kind: Literal["pinned"] = "pinned"
    at: float
    edition: int = 1
    pin: Pin


class PhaseEntered(Record):
    """An execution went on to its next phase; one that it was in before, told again, changes nothing."""

    kind: Literal["phase_entered"] = "phase_entered"
    at: float
    execution_id: str
    phase: Phase


class Ended(Record):
    """An execution is over and everything it had started is gone."""

    kind: Literal["ended"] = "ended"
    at: float
    execution_id: str
    outcome: Outcome


class StopRequested(Record):
    """Somebody wants the job to end now."""

    kind: Literal["stop_requested"] = "stop_requested"
    at: float
    reason: str


class Limit(StrEnum):
    """A time-out of a whole job."""

    TOTAL = "total"
    QUEUE = "queue"


class Expired(Record):
    """A limit of the job's time is reached; `message` says why it waited, if it did."""

    kind: Literal["expired"] = "expired"
    at: float
    limit: Limit = Limit.TOTAL
    message: str = ""


Event = Annotated[
    Submitted | Renewed | Matched | Unplaceable | Placed | Pinned | PhaseEntered | Ended | StopRequested | Expired,
    Field(discriminator="kind"),
]


class Place(Record):
    """Find a node for this vacancy, and start it there."""

    vacancy: Vacancy


class Withdraw(Record):
    """Take this vacancy out of the queue: nobody waits for it any more."""

    execution_id: str


class Watch(Record):
    """See to it that this execution runs on its node, and learn how it goes on."""

    execution_id: str


class Stop(Record):
    """End this execution, whatever it is doing."""

    execution_id: str


class Match(Record):
    """Find the nodes that match this job."""


Action = Place | Withdraw | Watch | Stop | Match
