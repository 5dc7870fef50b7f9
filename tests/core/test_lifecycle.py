"""The life of a job as a pure function, driven through random histories."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.core.errors import Conflict
from gadus.core.job import (
    Action,
    Ended,
    Event,
    Expired,
    Failure,
    Job,
    Outcome,
    Phase,
    PhaseEntered,
    Place,
    Placed,
    State,
    Stop,
    StopRequested,
    Submitted,
)
from gadus.core.lifecycle import TRIES_OF_AN_INDEX, decide
from gadus.core.spec import JobSpec


def spec(count: int = 1) -> JobSpec:
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}}
    return JobSpec.model_validate({"Type": "batch", "Count": count, "Tasks": [task]})


def submitted(count: int = 1) -> tuple[Job, tuple[Action, ...]]:
    return decide(None, Submitted(at=1.0, job_id="j-1", spec=spec(count)))


def placed(place: Place) -> Placed:
    return Placed(at=2.0, execution_id=place.execution_id, index=place.index, node="n")


def ended(place: Place, outcome: Outcome) -> Ended:
    return Ended(at=3.0, execution_id=place.execution_id, outcome=outcome)


EXITED = Outcome(exit_code=0)
FAILED = Outcome(error=Failure(kind="X", message="no"))
AWAY = Outcome(error=Failure(kind="X", message="away"), can_retry=True)


def run(events: list[Event], count: int = 1) -> tuple[Job, list[Action]]:
    job, actions = submitted(count)
    seen = list(actions)
    for event in events:
        job, actions = decide(job, event)
        seen += actions
    return job, seen


def test_a_non_zero_exit_code_is_an_answer() -> None:
    _, (place,) = submitted()
    assert isinstance(place, Place)
    job, _ = run([placed(place), ended(place, Outcome(exit_code=7))])
    assert job.state is State.COMPLETED


def test_what_a_retry_cannot_help_is_not_retried_and_its_error_is_the_job_s() -> None:
    _, (place,) = submitted()
    assert isinstance(place, Place)
    job, actions = run([placed(place), ended(place, FAILED)])
    assert (job.state, job.message) == (State.FAILED, "no")
    assert actions == [place]


def test_a_part_that_stays_away_fails_the_job_after_a_few_tries() -> None:
    job, (place,) = submitted()
    tries = 0
    while not job.state.final:
        assert isinstance(place, Place)
        tries += 1
        job, _ = decide(job, placed(place))
        job, actions = decide(job, ended(place, AWAY))
        if actions:
            (place,) = actions
    assert tries == TRIES_OF_AN_INDEX
    assert job.message == "away"
    assert len({execution.id for execution in job.executions}) == tries


def test_no_executions_asked_for_means_done() -> None:
    job, actions = submitted(count=0)
    assert (job.state, actions) == (State.COMPLETED, ())


def test_a_late_placement_of_a_stopped_job_is_stopped() -> None:
    _, (place,) = submitted()
    assert isinstance(place, Place)
    job, actions = run([StopRequested(at=2.0, reason="why"), placed(place)])
    assert job.state is State.STOPPED
    assert actions[-1] == Stop(execution_id=place.execution_id)


def test_a_finished_job_cannot_be_stopped() -> None:
    _, (place,) = submitted()
    assert isinstance(place, Place)
    with pytest.raises(Conflict, match="cannot stop job in state completed"):
        run([placed(place), ended(place, EXITED), StopRequested(at=4.0, reason="late")])


STEPS = st.lists(st.tuples(st.sampled_from(["place", "phase", "exit", "fail", "away", "stop", "expire"]), st.integers(0, 9)))


@given(st.integers(0, 4), STEPS)
def test_every_history_keeps_the_invariants(count: int, steps: list[tuple[str, int]]) -> None:
    job, actions = submitted(count)
    waiting: list[Place] = [one for one in actions if isinstance(one, Place)]
    known: list[Place] = list(waiting)
    for step, pick in steps:
        before = job
        live = [place for place in known if any(one.id == place.execution_id for one in job.live)]
        event = _event(step, pick, waiting, live)
        if event is None:
            continue
        try:
            job, actions = decide(job, event)
        except Conflict:
            assert job.state.final
            continue
        if isinstance(event, Placed):
            waiting = [one for one in waiting if one.execution_id != event.execution_id]
        new = [one for one in actions if isinstance(one, Place)]
        waiting += new
        known += new
        _check(before, job, actions)
    completed = {one.index for one in job.executions if one.state is State.COMPLETED}
    if job.state is State.COMPLETED:
        assert completed == set(range(count))
    if not job.state.final:
        # Every state has a way out: something runs, or something is to be placed.
        assert job.live or waiting


def _event(step: str, pick: int, waiting: list[Place], live: list[Place]) -> Event | None:
    match step:
        case "place":
            return placed(waiting[pick % len(waiting)]) if waiting else None
        case "stop":
            return StopRequested(at=9.0, reason="why")
        case "expire":
            return Expired(at=9.0)
    if not live:
        return None
    place = live[pick % len(live)]
    if step == "phase":
        return PhaseEntered(at=3.0, execution_id=place.execution_id, phase=Phase.RUNNING)
    return ended(place, {"exit": EXITED, "fail": FAILED, "away": AWAY}[step])


def _check(before: Job, after: Job, actions: tuple[Action, ...]) -> None:
    assert after.version == before.version + 1
    if before.state.final:
        assert after.state is before.state, "a final state never changes"
        assert not any(isinstance(one, Place) for one in actions), "nothing is started for a job that is over"
    ended_before: dict[str, Any] = {one.id: one for one in before.executions if one.state.final}
    assert all(one == ended_before[one.id] for one in after.executions if one.id in ended_before)
    live = [one.index for one in after.live]
    assert len(live) == len(set(live)), "nothing runs twice at once"


def test_a_job_survives_its_json() -> None:
    _, (place,) = submitted()
    assert isinstance(place, Place)
    job, _ = run([placed(place), ended(place, EXITED)])
    assert Job.model_validate_json(job.model_dump_json()) == job
