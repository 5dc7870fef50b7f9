"""What each event makes of a job."""

from __future__ import annotations

from gadus.core.errors import Bug, Conflict
from gadus.core.job import (
    Action,
    Ended,
    Event,
    Execution,
    Expired,
    Job,
    Match,
    Matched,
    Phase,
    PhaseEntered,
    Pinned,
    Place,
    Placed,
    Renewed,
    State,
    Stop,
    StopRequested,
    Submitted,
    Unplaceable,
    Watch,
)

from .changes import execution_id, finished, live_execution, runs, with_execution
from .goals import goal_of
from .limits import expiry, reached

__all__ = ["decide", "execution_id", "resume"]

EDITIONS_KEPT = 10
"""A job knows the ended executions of so many editions before its present one: it may be renewed for ever."""

Decision = tuple[Job, tuple[Action, ...]]


def decide(job: Job | None, event: Event) -> Decision:
    """
    The job after `event`, and what has to be done about it.

    `job` is None for `Submitted`, and only for that. Pure: the same arguments always give the same answer, ids included.
    Raises Conflict when the event cannot happen to this job: to stop one that has ended, to place what does not wait.
    """
    if isinstance(event, Submitted):
        if job is not None:
            raise Bug(f"job {job.id} was submitted a second time")
        return _submitted(event)
    if job is None:
        raise Bug(f"{event.kind} came before the job was submitted")
    job = job.model_copy(update={"version": job.version + 1, "modified_at": event.at})
    match event:
        case Placed():
            return _placed(job, event)
        case PhaseEntered():
            return _phase_entered(job, event), ()
        case Ended():
            return _ended(job, event)
        case Pinned():
            return _pinned(job, event), ()
        case Matched() | Unplaceable():
            return _told_of_nodes(job, event)
        case StopRequested() | Expired() | Renewed():
            return _told_by_people_or_time(job, event)


def resume(job: Job) -> tuple[Action, ...]:
    """Everything that is to be done about `job` as it stands: what a process that lost its memory has to take up again."""
    actions: list[Action] = [Place(vacancy=vacancy) for vacancy in job.vacancies]
    for execution in job.live:
        actions.append(Watch(execution_id=execution.id))
        if execution.stopping:
            actions.append(Stop(execution_id=execution.id))
    if goal_of(job).matches_nodes(job):
        actions.append(Match())
    return tuple(actions)


def _submitted(event: Submitted) -> Decision:
    spec = event.spec if event.spec.name else event.spec.model_copy(update={"name": event.job_id})
    job = Job(
        id=event.job_id,
        spec=spec,
        attended=event.attended,
        trace=event.trace,
        created_at=event.at,
        begun_at=event.at,
        modified_at=event.at,
    )
    return goal_of(job).begin(job, event.at)


def _renewed(job: Job, event: Renewed) -> Decision:
    job, actions = finished(job, State.QUEUED, "")
    spec = event.spec if event.spec.name else event.spec.model_copy(update={"name": job.spec.name})
    job = job.model_copy(
        update={
            "spec": spec,
            "edition": job.edition + 1,
            "begun_at": event.at,
            "trace": event.trace,
            "nodes": (),
            "pins": (),
            "executions": tuple(one for one in job.executions if _is_kept(one, job.edition)),
        },
    )
    job, more = goal_of(job).begin(job, event.at)
    return job, (*actions, *more)


def _is_kept(execution: Execution, last: int) -> bool:
    """Whether a job that is renewed after the edition `last` still knows of it; its events have it for ever."""
    return not execution.state.final or execution.edition > last - EDITIONS_KEPT


def _placed(job: Job, event: Placed) -> Decision:
    place = next((place for place, one in enumerate(job.vacancies) if one.id == event.execution_id), None)
    if place is None:
        raise Conflict(f"execution {event.execution_id} of job {job.id} does not wait for a place (any more)")
    vacancy = job.vacancies[place]
    if vacancy.node not in ("", event.node):
        raise Bug(f"execution {vacancy.id} of job {job.id} is for node {vacancy.node}, not for {event.node}")
    execution = Execution(
        id=vacancy.id,
        index=vacancy.index,
        attempt=vacancy.attempt,
        edition=job.edition,
        node=event.node,
        gpus=event.gpus,
        created_at=event.at,
        modified_at=event.at,
    )
    changes = {
        "state": State.RUNNING,
        "message": "",
        "vacancies": (*job.vacancies[:place], *job.vacancies[place + 1 :]),
        "executions": (*job.executions, execution),
    }
    return job.model_copy(update=changes), (Watch(execution_id=execution.id),)


def _phase_entered(job: Job, event: PhaseEntered) -> Job:
    order = list(Phase)
    execution = live_execution(job, event.execution_id)
    if execution is None or (execution.phase and order.index(event.phase) <= order.index(execution.phase)):
        # Who follows an execution anew is told of all its phases again.
        return job
    return with_execution(job, execution.model_copy(update={"phase": event.phase, "modified_at": event.at}))


def _told_of_nodes(job: Job, event: Matched | Unplaceable) -> Decision:
    # Who looked at the nodes may have looked for an earlier edition, or for what was placed meanwhile.
    if job.state.final or event.edition not in (0, job.edition):
        return job, ()
    if isinstance(event, Matched):
        return goal_of(job).matched(job, event)
    return goal_of(job).unplaceable(job, event) if job.vacancies else (job, ())


def _told_by_people_or_time(job: Job, event: StopRequested | Expired | Renewed) -> Decision:
    match event:
        case StopRequested():
            return _stop_requested(job, event)
        case Expired():
            return _expired(job, event)
        case Renewed():
            return _renewed(job, event)


def _pinned(job: Job, event: Pinned) -> Job:
    if event.edition != job.edition or any(pin.target == event.pin.target for pin in job.pins):
        return job
    return job.model_copy(update={"pins": (*job.pins, event.pin)})


def _ended(job: Job, event: Ended) -> Decision:
    execution = live_execution(job, event.execution_id)
    if execution is None:
        # A second report of one end, or a stranger's: kept in the log, and nothing else.
        return job, ()
    outcome = event.outcome
    cut_short = State.STOPPED if execution.stopping else State.FAILED
    state = State.COMPLETED if outcome.error is None else cut_short
    changes = {"state": state, "outcome": outcome, "phase": None, "stopping": False, "modified_at": event.at}
    ended = execution.model_copy(update=changes)
    job = with_execution(job, ended)
    if job.state.final:
        return job, ()
    of_before = ended.edition != job.edition
    job, actions = (goal_of(job).freed if of_before else goal_of(job).ended)(job, ended, event.at)
    if not job.state.final and not runs(job):
        job = job.model_copy(update={"state": State.QUEUED})
    return job, actions


def _stop_requested(job: Job, event: StopRequested) -> Decision:
    if job.state is State.STOPPED:
        return job, ()
    if job.state.final:
        raise Conflict(f"cannot stop job in state {job.state.value}")
    return finished(job, State.STOPPED, event.reason)


def _expired(job: Job, event: Expired) -> Decision:
    # It may have been that of an earlier edition, or of a wait that was over before this could be told.
    return finished(job, State.FAILED, expiry(job, event)) if reached(job, event.limit, event.at) else (job, ())
