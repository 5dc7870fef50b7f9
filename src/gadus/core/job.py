"""
A job and its executions as they are remembered, the events that change them, and the actions that follow.

    queued ──▶ running ──▶ completed | failed | stopped          (the last three are final)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    """How an execution ended: an exit code, or an error and whether a retry can help."""

    exit_code: int | None = None
    error: Failure | None = None
    can_retry: bool = False
    receipt: dict[str, Any] = Field(default_factory=dict)


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
    """One try to run the job's task, for one partition index."""

    id: str
    index: int
    node: str
    state: State = State.RUNNING
    phase: Phase | None = None
    outcome: Outcome | None = None
    created_at: float
    modified_at: float


class Job(Record):
    """The spec and all that happened to it. `version` counts its events; times are Unix seconds."""

    id: str
    spec: JobSpec
    state: State = State.QUEUED
    message: str = ""
    version: int = 1
    created_at: float
    modified_at: float
    pins: tuple[Pin, ...] = ()
    executions: tuple[Execution, ...] = ()

    @property
    def live(self) -> tuple[Execution, ...]:
        return tuple(execution for execution in self.executions if not execution.state.final)


class Submitted(Record):
    """A job was accepted."""

    kind: Literal["submitted"] = "submitted"
    at: float
    job_id: str
    spec: JobSpec


class Placed(Record):
    """A backend took an execution."""

    kind: Literal["placed"] = "placed"
    at: float
    execution_id: str
    index: int
    node: str


class Pinned(Record):
    """What an input consists of is known; a second pin of the same target changes nothing."""

    kind: Literal["pinned"] = "pinned"
    at: float
    pin: Pin


class PhaseEntered(Record):
    """An execution went on to its next phase."""

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


class Expired(Record):
    """The job's TotalTimeout is over."""

    kind: Literal["expired"] = "expired"
    at: float


Event = Annotated[Submitted | Placed | Pinned | PhaseEntered | Ended | StopRequested | Expired, Field(discriminator="kind")]


class Place(Record):
    """Start this execution somewhere."""

    execution_id: str
    index: int


class Stop(Record):
    """End this execution, whatever it is doing."""

    execution_id: str


Action = Place | Stop
