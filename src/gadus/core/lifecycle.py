"""
The whole life of a job, as a pure function: what happened goes in, what is true and what to do next comes out.

    Submitted ─▶ queued ─Placed─▶ running ─Ended─▶ completed   every index ended with an exit code, also a non-zero one
                                     │  └─Ended─▶ failed      an error that a retry cannot help, or too many tries
                                     └─StopRequested─▶ stopped
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from .errors import Bug, Conflict
from .job import (
    Action,
    Ended,
    Event,
    Execution,
    Expired,
    Failure,
    Job,
    PhaseEntered,
    Pinned,
    Place,
    Placed,
    State,
    Stop,
    StopRequested,
    Submitted,
)

TRIES_OF_AN_INDEX = 3
"""A part that stays away for three tries needs a person, not a fourth try."""


def decide(job: Job | None, event: Event) -> tuple[Job, tuple[Action, ...]]:
    """
    The job after `event`, and what has to be done about it.

    `job` is None only for `Submitted`. Pure: the same arguments always give the same answer, execution ids included.
    Raises Conflict when a final job is asked to stop.
    """
    if isinstance(event, Submitted):
        return _submitted(event)
    if job is None:
        raise Bug(f"{event.kind} came before the job was submitted")
    job = job.model_copy(update={"version": job.version + 1, "modified_at": event.at})
    match event:
        case Placed():
            return _placed(job, event)
        case Pinned():
            known = {pin.target for pin in job.pins}
            return job if event.pin.target in known else job.model_copy(update={"pins": (*job.pins, event.pin)}), ()
        case PhaseEntered():
            return _with(job, event.execution_id, phase=event.phase, modified_at=event.at), ()
        case Ended():
            return _ended(job, event)
        case StopRequested():
            return _stop_requested(job, event)
        case Expired():
            return _expired(job)


def execution_id(job_id: str, index: int, tries: int) -> str:
    """The id of the given try of one index: always the same, so that placing twice is placing once."""
    return f"e-{uuid5(NAMESPACE_URL, f'{job_id}/{index}/{tries}')}"


def _submitted(event: Submitted) -> tuple[Job, tuple[Action, ...]]:
    spec = event.spec if event.spec.name else event.spec.model_copy(update={"name": event.job_id})
    job = Job(id=event.job_id, spec=spec, created_at=event.at, modified_at=event.at)
    if spec.count == 0:
        return job.model_copy(update={"state": State.COMPLETED}), ()
    return job, tuple(Place(execution_id=execution_id(job.id, index, 0), index=index) for index in range(spec.count))


def _placed(job: Job, event: Placed) -> tuple[Job, tuple[Action, ...]]:
    if any(execution.id == event.execution_id for execution in job.executions):
        return job, ()
    execution = Execution(
        id=event.execution_id,
        index=event.index,
        node=event.node,
        created_at=event.at,
        modified_at=event.at,
    )
    job = job.model_copy(update={"executions": (*job.executions, execution)})
    if job.state.final:
        # Too late to matter, but a late Placed means something runs that nobody waits for.
        return job, (Stop(execution_id=event.execution_id),)
    return job.model_copy(update={"state": State.RUNNING}), ()


def _ended(job: Job, event: Ended) -> tuple[Job, tuple[Action, ...]]:
    outcome = event.outcome
    cut_short = State.STOPPED if job.state.final else State.FAILED
    state = cut_short if outcome.exit_code is None else State.COMPLETED
    job = _with(job, event.execution_id, state=state, outcome=outcome, phase=None, modified_at=event.at)
    if job.state.final:
        return job, ()
    if outcome.error is not None:
        return _failed(job, event.execution_id, outcome.error, can_retry=outcome.can_retry)
    done = {execution.index for execution in job.executions if execution.state is State.COMPLETED}
    if len(done) == job.spec.count:
        return job.model_copy(update={"state": State.COMPLETED}), ()
    return job, ()


def _failed(job: Job, ended_id: str, error: Failure, *, can_retry: bool) -> tuple[Job, tuple[Action, ...]]:
    index = next((execution.index for execution in job.executions if execution.id == ended_id), 0)
    tries = sum(execution.index == index for execution in job.executions)
    if can_retry and tries < TRIES_OF_AN_INDEX:
        return job, (Place(execution_id=execution_id(job.id, index, tries), index=index),)
    return _finish(job, State.FAILED, error.message)


def _stop_requested(job: Job, event: StopRequested) -> tuple[Job, tuple[Action, ...]]:
    if job.state is State.STOPPED:
        return job, ()
    if job.state.final:
        raise Conflict(f"cannot stop job in state {job.state.value}")
    return _finish(job, State.STOPPED, event.reason)


def _expired(job: Job) -> tuple[Job, tuple[Action, ...]]:
    if job.state.final:
        return job, ()
    limit = job.spec.task.timeouts.total_timeout
    return _finish(job, State.FAILED, f"Job timed out. Job took longer than {limit} s")


def _finish(job: Job, state: State, message: str) -> tuple[Job, tuple[Action, ...]]:
    stops = tuple(Stop(execution_id=execution.id) for execution in job.live)
    return job.model_copy(update={"state": state, "message": message}), stops


def _with(job: Job, wanted: str, **changes: object) -> Job:
    """The job with one execution changed; one that already ended stays as it is."""
    executions = tuple(
        execution.model_copy(update=changes) if execution.id == wanted and not execution.state.final else execution
        for execution in job.executions
    )
    return job.model_copy(update={"executions": executions})
