"""What each type of job asks for, what is tried again, and what people are told in the end."""

from __future__ import annotations

import pytest
from lifecycle_lives import ENGINE_AWAY, ENGINE_LOST, LOST, OK, Life, away, error
from pydantic import ValidationError

from gadus.core.errors import Bug
from gadus.core.job import Failure, Job, Match, Outcome, Phase, PhaseEntered, Place, Placed, Stop, Submitted, Watch, Withdraw
from gadus.core.lifecycle import decide, resume


def test_batch_job_is_completed_with_its_last_index():
    life = Life("batch", 3)
    assert life.told == ("queued", "")
    for index in (2, 0, 1):
        life.run(OK, index=index)
    assert life.told == ("completed", "")
    assert [one.index for one in life.job.executions] == [2, 0, 1]


def test_job_is_running_as_long_as_an_execution_of_it_runs():
    life = Life("batch", 2)
    one, other = life.place(0), life.place(1)
    assert life.job.state == "running"
    life.end(one, away("slow"))
    assert life.job.state == "running"
    life.end(other)
    assert life.job.state == "queued"


def test_no_executions_asked_for_is_completed_at_once():
    life = Life("batch", 0)
    assert (life.told, life.actions) == (("completed", ""), ())


def test_any_exit_code_is_an_answer_and_not_a_failure():
    life = Life("batch")
    life.run(Outcome(exit_code=7))
    assert life.told == ("completed", "")


def test_failed_index_is_tried_again_alone():
    life = Life("batch", 3)
    ids = [life.place(index) for index in range(3)]
    life.end(ids[1], away("gone"))
    assert life.actions == (Place(vacancy=life.vacancy(1)),)
    assert life.waiting == [1]
    assert [one.id for one in life.job.live] == [ids[0], ids[2]]


def test_what_no_retry_can_help_ends_the_job_and_all_of_it():
    life = Life("batch", 3)
    running, failing = life.place(0), life.place(1)
    waits = life.vacancy(2).id
    life.end(failing, error("no such image"))
    assert life.told == ("failed", "no such image")
    assert life.actions == (Withdraw(execution_id=waits), Stop(execution_id=running))


def test_index_that_fails_three_times_fails_the_job_with_the_first_error():
    life = Life("batch")
    life.run(away("first"), away("second"))
    assert not life.job.state.final
    life.run(away("third"))
    assert life.told == ("failed", "first")


def test_error_of_the_job_itself_is_shown_rather_than_a_lost_node():
    life = Life("batch")
    life.run(LOST, away("disk"), LOST, error("no such image"))
    assert life.told == ("failed", "disk")


def test_lost_executions_do_not_count_as_tries_but_have_a_bound():
    life = Life("batch")
    life.run(*[LOST] * 9)
    assert life.waiting == [0]
    life.run(LOST)
    assert life.told == ("failed", "lost; given up after 10 tries")


def test_engine_that_is_restarted_takes_no_try_from_a_job_but_has_to_come_back():
    life = Life("batch")
    assert life.pauses(ENGINE_LOST, ENGINE_LOST, LOST, ENGINE_LOST) == [1.0, 4.0, 0.0, 16.0]
    life.run(*[ENGINE_LOST] * 5)
    assert life.waiting == [0]
    life.run(ENGINE_LOST)
    assert life.told == ("failed", "restarted; given up after 10 tries")


def test_engine_that_is_away_is_waited_for_but_not_by_people():
    life = Life("batch")
    assert life.pauses(*[ENGINE_AWAY] * 9) == [1.0, 4.0, *[16.0] * 7]
    life.run(ENGINE_AWAY)
    assert life.told == ("failed", "no answer; given up after 10 tries")
    life = Life("batch", attended=True)
    life.run(ENGINE_AWAY, ENGINE_AWAY)
    assert life.waiting == [0]
    life.run(ENGINE_AWAY)
    assert life.told == ("failed", "no answer")


def test_every_try_has_an_id_of_its_own():
    life = Life("batch", 2)
    for index in range(2):
        life.run(away("gone"), away("gone"), OK, index=index)
    assert len({one.id for one in life.job.executions}) == 6


def test_pause_before_a_try_grows_and_a_lost_node_costs_none_unless_it_is_lost_again_and_again():
    assert Life("batch").pauses(away("a"), LOST, away("b")) == [1.0, 0.0, 4.0]
    assert Life("batch").pauses(*[LOST] * 9) == [0.0, 0.0, 1.0, 4.0, 16.0, 16.0, 16.0, 16.0, 16.0]


def test_service_is_kept_at_its_count_whatever_its_executions_end_with():
    life = Life("service", 2)
    life.place(1)
    life.run(OK, Outcome(exit_code=7), away("gone"), LOST)
    assert life.waiting == [0]
    assert [one.index for one in life.job.live] == [1]
    assert life.told == ("running", "")


def test_service_fails_with_an_error_that_no_retry_can_help():
    life = Life("service", 2)
    other = life.place(1)
    life.run(away("slow"), error("no such image"))
    assert life.told == ("failed", "no such image")
    assert life.actions == (Stop(execution_id=other),)


def test_pause_of_a_service_doubles_to_five_minutes_and_starts_anew_when_one_has_lasted():
    life = Life("service")
    assert life.pauses(*[OK] * 12) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert life.pauses(OK, after=60.0) == [1]
    assert life.pauses(OK, OK) == [1, 2]


def test_service_keeps_the_last_executions_of_each_index_only():
    life = Life("service", 2)
    other = life.place(1)
    life.run(*[OK] * 30)
    kept = [one.attempt for one in life.job.executions if one.index == 0]
    assert kept == list(range(20, 30))
    assert life.job.live[0].id == other


@pytest.mark.parametrize("type_", ["ops", "daemon"])
def test_nodes_are_asked_for_and_each_gets_one_execution(type_):
    life = Life(type_)
    assert life.actions == (Match(),)
    life.match("a", "b", "a")
    assert life.nodes_waited_for == ["a", "b"]
    assert all(isinstance(action, Place) for action in life.actions)


def test_ops_job_is_completed_with_its_last_node_and_none_joins_later():
    life = Life("ops")
    life.match("a", "b")
    life.match("a", "b", "c")
    life.run(OK, index=0)
    assert not life.job.state.final
    life.run(OK, index=1)
    assert life.told == ("completed", "")


def test_ops_job_goes_on_where_it_can_and_fails_with_the_node_that_failed_first():
    life = Life("ops")
    life.match("a", "b", "c", "d")
    life.run(*[LOST] * 10, index=0)
    life.run(error("no disk"), index=2)
    life.run(away("slow"), away("slower"), away("gone"), index=1)
    assert not life.job.state.final
    life.run(OK, index=3)
    assert life.told == ("failed", "node c: no disk")


def test_ops_job_without_a_node_fails():
    life = Life("ops")
    life.match()
    assert life.told == ("failed", "no matching nodes to run job")


def test_daemon_waits_for_nodes_and_runs_on_those_that_join():
    life = Life("daemon")
    life.match()
    assert life.told == ("queued", "")
    life.match("b")
    life.place(0)
    life.match("a", "b")
    assert life.job.nodes == ("b", "a")
    assert life.nodes_waited_for == ["a"]
    life.run(OK, index=1)
    assert life.nodes_waited_for == ["a"]
    assert life.job.state == "running"


def test_daemon_leaves_a_node_alone_where_it_cannot_run_and_fails_when_none_is_left():
    life = Life("daemon")
    life.match("a", "b")
    life.run(error("no GPU"), index=0)
    assert life.told == ("queued", "node a: no GPU")
    assert life.nodes_waited_for == ["b"]
    life.run(OK, error("no disk"), index=1)
    assert life.told == ("failed", "node a: no GPU")


def test_execution_for_one_node_is_not_taken_by_another():
    life = Life("ops")
    life.match("a", "b")
    with pytest.raises(Bug, match="is for node a, not for b"):
        life.happened(Placed(at=1.0, execution_id=life.vacancy(0).id, node="b"))


def test_phases_go_forward_only():
    life = Life("batch")
    one = life.place()
    for phase in (Phase.STAGING, Phase.RUNNING, Phase.STAGING):
        life.happened(PhaseEntered(at=life.wait(), execution_id=one, phase=phase))
    assert life.job.live[0].phase is Phase.RUNNING


def test_server_that_lost_its_memory_finds_everything_to_do_in_the_job():
    life = Life("service", 2)
    one = life.place(0)
    job = Job.model_validate_json(life.job.model_dump_json())
    assert job == life.job
    assert resume(job) == (Place(vacancy=life.vacancy(1)), Watch(execution_id=one))
    life.stop()
    assert resume(life.job) == (Watch(execution_id=one), Stop(execution_id=one))
    life.end(one)
    assert resume(life.job) == ()


def test_job_is_submitted_once():
    life = Life("batch")
    with pytest.raises(Bug, match="a second time"):
        decide(life.job, Submitted(at=1.0, job_id="j-1", spec=life.spec))


@pytest.mark.parametrize("both", [{}, {"exit_code": 0, "error": Failure(kind="X", message="no")}])
def test_execution_ends_with_an_exit_code_or_an_error(both):
    with pytest.raises(ValidationError, match="give one of them"):
        Outcome(**both)
