"""The end of a job by people or by time, its next edition, and news that come too late."""

from __future__ import annotations

import pytest
from lifecycle_lives import OK, Life, away, error, spec_of

from gadus.core.errors import Conflict
from gadus.core.job import Ended, Expired, Limit, Matched, Pin, Pinned, Place, Placed, Stop, Unplaceable, Withdraw
from gadus.core.lifecycle import deadline, due

TYPES = ("batch", "service", "ops", "daemon")


def begun(type_: str) -> Life:
    """A job with one execution that runs, of index 0 and on node a, and one that waits."""
    life = Life(type_, 2)
    life.match("a", "b")
    life.place(0, node="a")
    return life


@pytest.mark.parametrize("type_", TYPES)
def test_job_is_stopped_at_any_moment_and_what_runs_is_told(type_):
    life = begun(type_)
    runs, waits = life.job.live[0].id, life.vacancy(1).id
    life.stop("not needed")
    assert life.told == ("stopped", "not needed")
    assert life.actions == (Withdraw(execution_id=waits), Stop(execution_id=runs))
    life.end(runs, error("stopped before its end"))
    assert life.told == ("stopped", "not needed")
    assert [one.state.value for one in life.job.executions] == ["stopped"]


def test_stop_that_came_as_it_ended_leaves_its_answer():
    life = begun("batch")
    life.stop()
    life.end(life.job.live[0].id, OK)
    assert [one.state.value for one in life.job.executions] == ["completed"]
    assert life.job.state == "stopped"


def test_job_that_has_ended_cannot_be_stopped_and_one_that_was_stopped_stays_so():
    life = Life("batch")
    life.run(OK)
    with pytest.raises(Conflict, match="cannot stop job in state completed"):
        life.stop()
    life.renew()
    life.stop("first")
    life.stop("second")
    assert life.told == ("stopped", "first")


def test_placing_what_does_not_wait_any_more_is_refused():
    life = begun("batch")
    waits = life.vacancy(1).id
    life.stop()
    for late in (waits, life.job.live[0].id, "e-unknown"):
        with pytest.raises(Conflict, match="does not wait for a place"):
            life.happened(Placed(at=life.wait(), execution_id=late, node="n"))


def test_late_ends_change_nothing():
    life = Life("batch", 2)
    one = life.place()
    life.end(one)
    before = life.job
    for late in (one, life.vacancy(1).id, "e-unknown"):
        life.end(late, error("late"))
        assert (life.job.executions, life.job.vacancies, life.told) == (before.executions, before.vacancies, ("queued", ""))
        assert life.actions == ()
    assert life.job.version == before.version + 3


def test_total_time_counts_from_the_beginning_of_the_edition():
    life = Life("batch", total_seconds=50)
    assert deadline(life.job) == 150.0
    life.at = 140.0
    life.renew()
    assert deadline(life.job) == 191.0
    # Told of the first edition, a moment too late.
    life.expire(Limit.TOTAL, 150.0)
    assert life.job.state == "queued"
    life.expire(Limit.TOTAL, 191.0)
    assert life.told == ("failed", "Job timed out. Job took longer than 50 s")
    assert deadline(life.job) is None


def test_queue_time_counts_for_each_wait_and_says_why_it_waited():
    life = Life("batch", 1, queue_seconds=10)
    assert deadline(life.job) == 110.0
    life.at = 109.0
    one = life.place()
    # Told as it was placed.
    life.expire(Limit.QUEUE, 110.0)
    assert (life.job.state, deadline(life.job)) == ("running", None)
    life.end(one, away("gone"), after=50.0)
    waits = life.vacancy().not_before
    assert deadline(life.job) == waits + 10
    life.expire(Limit.QUEUE, waits + 10, "all nodes are full")
    assert life.told == ("failed", "Job timed out. It waited in the queue longer than 10 s: all nodes are full")


def test_limit_that_is_due_is_the_first_one():
    life = Life("batch", 1, queue_seconds=10, total_seconds=50)
    assert [due(life.job, at) for at in (109.9, 110.0, 500.0)] == [None, Limit.QUEUE, Limit.QUEUE]
    life.place()
    assert [due(life.job, at) for at in (149.9, 150.0)] == [None, Limit.TOTAL]


@pytest.mark.parametrize("type_", ["service", "daemon"])
def test_job_without_an_end_has_no_total_time(type_):
    life = Life(type_, total_seconds=50)
    life.match("a")
    life.place()
    life.happened(Expired(at=1000.0, limit=Limit.TOTAL))
    assert (life.job.state, deadline(life.job)) == ("running", None)


@pytest.mark.parametrize("type_", ["batch", "service", "ops"])
def test_what_can_never_be_placed_fails_at_once(type_):
    life = Life(type_)
    life.match("a")
    life.no_place("no node has a GPU")
    assert life.told == ("failed", "no node has a GPU")


@pytest.mark.parametrize("type_", ["batch", "service"])
def test_what_may_wait_says_why_it_waits_until_it_is_placed(type_):
    life = Life(type_, queue_seconds=60)
    life.no_place("no node has a GPU")
    assert life.told == ("queued", "no node has a GPU")
    life.place()
    assert life.told == ("running", "")


def test_error_before_is_shown_when_a_try_again_finds_no_place():
    life = Life("batch", 2)
    life.run(away("of an index that is done"), OK, index=0)
    life.run(away("disk"), index=1)
    life.no_place("no node")
    assert life.told == ("failed", "disk; it could not be tried again: no node")


def test_nobody_waits_then_nothing_is_unplaceable():
    life = Life("batch")
    life.place()
    life.no_place("no node")
    assert life.told == ("running", "")


@pytest.mark.parametrize("type_", TYPES)
def test_next_edition_waits_for_what_still_ends_of_the_one_before(type_):
    """
    1. Index 0 of edition 1 runs on node a. 2. The job is renewed: it is told to stop, index 1 is placed. 3. Edition 3 comes.
    4. Both end, the older first.
    """
    life = begun(type_)
    first = life.job.live[0].id
    life.renew()
    life.match("a", "b")
    assert (life.waiting, life.job.state, life.job.edition) == ([1], "queued", 2)
    second = life.place(1)
    life.renew()
    life.match("b", "a")
    assert life.waiting == []
    life.end(first, error("stopped"))
    assert life.job.state == "queued"
    assert (life.nodes_waited_for == ["a"]) if type_ in ("ops", "daemon") else (life.waiting == [0])
    life.end(second, error("stopped"))
    assert len(life.job.vacancies) == 2
    assert len({one.id for one in (*life.job.vacancies, *life.job.executions)}) == 4


@pytest.mark.parametrize("type_", ["ops", "daemon"])
def test_node_of_the_edition_before_is_the_one_that_is_held(type_):
    life = begun(type_)
    life.renew()
    life.match("b", "a")
    assert life.nodes_waited_for == ["b"]


def test_batch_job_is_not_complete_while_the_edition_before_holds_an_index():
    life = begun("batch")
    before = life.job.live[0].id
    life.renew()
    other = life.place(1)
    assert life.job.state == "running"
    life.end(other)
    assert life.job.state == "queued"
    life.end(before, error("stopped"))
    assert life.waiting == [0]
    life.run(OK)
    assert life.job.state == "completed"


def test_end_of_an_edition_does_not_hang_on_nodes_of_the_one_before():
    life = begun("ops")
    before = life.job.live[0].id
    life.renew()
    life.match("c")
    life.run(OK)
    assert life.job.state == "completed"
    life.end(before, error("stopped"))
    assert life.job.state == "completed"


def test_count_and_type_of_a_job_may_change():
    life = begun("batch")
    life.renew(spec_of("batch", 4))
    assert life.waiting == [1, 2, 3]
    life.renew(spec_of("batch", 1))
    assert life.waiting == []
    life.renew(spec_of("daemon"))
    life.match("a", "b")
    assert life.nodes_waited_for == ["b"]


def test_news_of_nodes_for_another_edition_change_nothing():
    life = begun("ops")
    life.renew()
    life.happened(Matched(at=life.wait(), nodes=("x",), edition=1))
    assert (life.job.nodes, life.actions) == ((), ())
    life.match("b")
    life.happened(Unplaceable(at=life.wait(), message="full", edition=1))
    assert life.told == ("queued", "")


def test_terminal_job_begins_anew_when_it_is_renewed():
    life = Life("batch")
    life.run(error("no"))
    life.renew()
    assert (life.told, life.waiting, life.job.begun_at) == (("queued", ""), [0], life.at)
    assert life.actions == (Place(vacancy=life.vacancy()),)
    life.run(OK)
    assert life.told == ("completed", "")


def test_inputs_are_pinned_once_in_an_edition():
    def pin(digest: str) -> Pin:
        return Pin(target="/inputs", location="s3://b", digest=digest, objects=1, size_bytes=1)

    life = Life("batch")
    for digest in ("x", "y"):
        life.happened(Pinned(at=1.0, edition=1, pin=pin(digest)))
    assert life.job.pins == (pin("x"),)
    life.renew()
    assert life.job.pins == ()
    life.happened(Pinned(at=1.0, edition=1, pin=pin("x")))
    assert life.job.pins == ()
    life.happened(Pinned(at=1.0, edition=2, pin=pin("z")))
    assert life.job.pins == (pin("z"),)


def test_late_end_of_an_index_that_the_job_has_no_more_places_nothing():
    life = begun("batch")
    second = life.place(1)
    life.renew(spec_of("batch", 1))
    life.happened(Ended(at=life.wait(), execution_id=second, outcome=OK))
    assert (life.waiting, life.actions) == ([], ())


def test_job_that_is_renewed_for_ever_knows_the_last_editions_and_all_that_runs():
    life = Life("batch")
    still_ending = life.place()
    for _ in range(30):
        life.renew()
    assert still_ending in {one.id for one in life.job.live}
    life.end(still_ending)
    for _ in range(30):
        life.run(OK)
        life.renew()
    assert {one.edition for one in life.job.executions} == set(range(51, 61))
