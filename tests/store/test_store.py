"""The job store: the same promises by a file and by a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from storing import end, kept, place, spec, step, stop, submission, submit

from gadus.core.errors import Conflict, NotFound, Rejected
from gadus.core.job import Ended, Failure, Job, Outcome, Phase, PhaseEntered, Pin, Pinned, Placed, Renewed, State, StopRequested
from gadus.core.lifecycle import deadline
from gadus.core.spec import Constraint
from gadus.orchestrator.store import Store, open_store
from gadus.orchestrator.store.paging import BYTES_OF_A_PAGE

Where = Path | str


def test_what_was_appended_is_read_back_by_another_process(where: Where) -> None:
    with open_store(where) as store:
        job = stop(store, submit(store, "j-1", name="word-count"))
    with open_store(where) as store:
        assert store.get("j-1") == job
        assert [(version, event.kind) for version, event in store.events("j-1")] == [(1, "submitted"), (2, "stop_requested")]
        assert [version for version, _ in store.events("j-1", after_version=1)] == [2]
        assert store.get("j-1").state is State.STOPPED
        with pytest.raises(NotFound):
            store.events("j-2")


def test_every_step_of_a_job_of_many_parts_is_read_as_it_was_decided(where: Where) -> None:
    """Also where parts leave from the middle, come again, and several steps of one job are in one transaction."""
    lost = Outcome(error=Failure(kind="NodeLost", message="gone"), can_retry=True)
    with open_store(where) as store:
        job = submit(store, "j-1", count=5)
        first, second, third, *_ = job.vacancies
        for event in (
            Placed(at=2, execution_id=third.id, node="n"),
            Placed(at=2, execution_id=first.id, node="m"),
            PhaseEntered(at=3, execution_id=third.id, phase=Phase.STAGING),
            Pinned(at=3, pin=Pin(target="/in", location="s3://b/k", digest="d", objects=1, size_bytes=2)),
            Ended(at=4, execution_id=third.id, outcome=lost),
        ):
            job = kept(store, step(job, event))
            assert store.get("j-1") == job
        placed = step(job, Placed(at=5, execution_id=second.id, node="n"))
        ended = step(placed.after, Ended(at=6, execution_id=second.id, outcome=lost))
        renewed = step(ended.after, Renewed(at=7, spec=spec(count=2)))
        assert store.append_all([placed, ended, renewed]) == [None, None, None]
        assert store.get("j-1") == renewed.after
        job = stop(store, place(store, renewed.after))
        assert store.get("j-1") == job


def test_changes_of_one_transaction_succeed_each_for_itself(where: Where) -> None:
    with open_store(where) as store:
        job = submit(store, "j-1")
        stale = step(job, StopRequested(at=2, reason="first"))
        stop(store, job)
        answers = store.append_all([submission("j-2"), stale, submission("j-2", name="again"), submission("j-3")])
        assert [type(answer) for answer in answers] == [type(None), Conflict, Conflict, type(None)]
        assert [job.id for job in store.page(limit=9)[0]] == ["j-3", "j-2", "j-1"]
        assert len(store.events("j-1")) == 2
        assert store.get("j-2").spec.name == "j-2"


def test_of_two_servers_on_one_store_the_second_must_look_again(where: Where) -> None:
    with open_store(where) as first, open_store(where) as second:
        job = submit(first, "j-1")
        stop(second, second.get("j-1"))
        with pytest.raises(Conflict, match="was changed by another process"):
            stop(first, job)
        assert len(first.events("j-1")) == 2
        with pytest.raises(Conflict):
            submit(second, "j-1")


def test_the_same_idempotency_key_gives_the_same_job_and_never_a_second_one(where: Where) -> None:
    with open_store(where) as first, open_store(where) as second:
        assert first.submission("default", "k") == ""
        submit(first, "j-1", key="k")
        with pytest.raises(Conflict, match="'k'"):
            submit(second, "j-2", key="k")
        assert second.append_all([submission("j-3", key="m"), submission("j-4", key="m")])[0] is None
        submit(first, "j-5", key="k", Namespace="other")
        assert [second.submission(*key) for key in (("default", "k"), ("default", "m"), ("other", "k"))] == [
            "j-1",
            "j-3",
            "j-5",
        ]
        assert {job.id for job in first.page(limit=9)[0]} == {"j-1", "j-3", "j-5"}


def test_a_job_is_found_by_id_leading_part_or_name(where: Where) -> None:
    with open_store(where) as store:
        submit(store, "j-aaaa1111", name="one")
        submit(store, "j-aaaa2222", name="two")
        submit(store, "j-aaaa3333", name="two", at=2.0)
        submit(store, "j-bbbb", name="two", at=3.0, Namespace="other")
        assert store.find("j-aaaa1").id == "j-aaaa1111"
        assert store.find("one").id == "j-aaaa1111"
        assert store.find("two").id == "j-bbbb"
        assert store.find("two", frozenset({"default"})).id == "j-aaaa3333"
        assert store.find("j-", frozenset({"other"})).id == "j-bbbb"
        with pytest.raises(Conflict, match="multiple jobs found for 'j-aaaa': j-aaaa1111, j-aaaa2222"):
            store.find("j-aaaa")
        for missing in ("", "nobody", "j-c", "%", "_-aaaa1111", "J-AAAA1111", "\0", "j-aaaa1111\0", "\ud800"):
            with pytest.raises(NotFound):
                store.find(missing)
        latest = store.latest_named("default", "two")
        assert latest is not None and latest.id == "j-aaaa3333"
        assert store.latest_named("other", "one") is None
        with pytest.raises(NotFound, match="job not found: j-aaaa"):
            store.get("j-aaaa")


def test_jobs_of_other_namespaces_are_not_there(where: Where) -> None:
    with open_store(where) as store:
        for number, namespace in enumerate(("a", "b", "c")):
            submit(store, f"j-000{number}", name="same", at=float(number), Namespace=namespace)
        assert store.find("j-0", frozenset({"b"})).id == "j-0001"
        assert store.find("same", frozenset({"a", "b"})).id == "j-0001"
        with pytest.raises(Conflict, match=r"j-0000, j-0001$"):
            store.find("j-0", frozenset({"a", "b", "nobody's"}))
        for text in ("j-0002", "j-0002"[:5] + "2", "same"):
            for none in (frozenset[str](), frozenset({"\0"}), frozenset({"d"})):
                with pytest.raises(NotFound):
                    store.find(text, none)
                assert store.page(limit=9, namespaces=none) == ([], "")
        assert [job.id for job in store.page(limit=9, namespaces=frozenset({"a", "c"}))[0]] == ["j-0002", "j-0000"]
        assert all_pages(store, 1, namespaces=frozenset({"a", "c"})) == ["j-0002", "j-0000"]


def all_pages(store: object, limit: int, **wanted: object) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page, after = store.page(limit=limit, after=after, **wanted)  # type: ignore[attr-defined]
        assert len(page) <= limit
        found += [job.id for job in page]
        if not after:
            return found


def test_pages_have_every_job_once_in_the_order_of_creation(where: Where) -> None:
    """Several have the same time; one comes while somebody reads page by page."""
    ids = [f"j-{number:02}" for number in range(23)]
    with open_store(where) as store:
        assert store.append_all([submission(one, at=float(number // 4)) for number, one in enumerate(ids)]) == [None] * 23
        for limit in (1, 4, 22, 23, 24):
            assert all_pages(store, limit) == ids[::-1]
            assert all_pages(store, limit, newest_first=False) == ids
        first, after = store.page(limit=10)
        submit(store, "j-new", at=99.0)
        rest, _ = store.page(limit=99, after=after)
        assert [job.id for job in (*first, *rest)] == ids[::-1]
        assert store.page(limit=0) == ([], "")
        for wrong in ("x", "!", "bnVsbA==", "WyJhIiwgImIiXQ=="):
            with pytest.raises(Rejected, match="not where a page"):
                store.page(limit=1, after=wrong)


def test_pages_of_a_namespace_a_state_and_labels(where: Where) -> None:
    with open_store(where) as store:
        for number in range(12):
            labels = {"even": "yes"} if number % 2 == 0 else {}
            job = submit(store, f"j-{number:02}", at=float(number), Namespace="abc"[number % 3], Labels=labels)
            if number % 4 == 0:
                stop(store, job)
        assert all_pages(store, 2, namespaces=frozenset("b"), newest_first=False) == ["j-01", "j-04", "j-07", "j-10"]
        assert all_pages(store, 2, states=(State.STOPPED,), newest_first=False) == ["j-00", "j-04", "j-08"]
        assert all_pages(store, 2, states=(State.STOPPED, State.FAILED), namespaces=frozenset("b")) == ["j-04"]
        even = Constraint.model_validate({"Key": "even", "Operator": "exists"})
        assert all_pages(store, 4, labels=(even,), newest_first=False) == [f"j-{n:02}" for n in range(0, 12, 2)]
        assert all_pages(store, 1, labels=(even,), states=(State.QUEUED,), namespaces=frozenset("a")) == ["j-06"]


def test_what_waits_is_told_apart_from_what_runs_and_what_is_over(where: Where) -> None:
    needs = lambda spec: f"needs of {spec.name}"  # noqa: E731
    with open_store(where, needs=needs, deadline=deadline) as store:
        waits = submit(store, "j-waits", name="w", count=3, Priority=7)
        timed = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}, "Timeouts": {"TotalTimeout": 60}}
        submit(store, "j-timed", at=2.0, Tasks=[timed])
        attended = submit(store, "j-attended", at=3.0, attended=True)
        runs = place(store, submit(store, "j-runs", at=4.0, count=2))
        ops = submit(store, "j-ops", at=5.0, Type="ops")
        daemon = submit(store, "j-daemon", at=6.0, Type="daemon")
        ending = stop(store, place(store, submit(store, "j-ending", at=7.0)))
        done = place(store, submit(store, "j-done", at=8.0))
        end(store, done, done.executions[0])
        stop(store, submit(store, "j-stopped", at=9.0))
        first, second = store.waiting()
        assert first == ("j-waits", 1, "batch", 7, "needs of w", None, waits.vacancies)
        assert (second.job_id, second.deadline) == ("j-timed", 62.0)
        assert list(store.unfinished()) == [attended, runs, ops, daemon, ending]
        again = step(
            runs,
            Ended(at=9, execution_id=runs.live[0].id, outcome=Outcome(error=Failure(kind="x", message="y"), can_retry=True)),
        )
        assert kept(store, again).state is State.QUEUED
        assert [row.job_id for row in store.waiting()] == ["j-waits", "j-timed"]


def test_others_changes_are_told_once_and_none_is_missed(where: Where) -> None:
    with open_store(where) as first, open_store(where) as second:
        assert second.changes(0, limit=0) == ([], 0)
        one = submit(first, "j-1")
        submit(second, "j-2")
        stop(first, one)
        changed, seen = second.changes(0)
        assert sorted(job_id for _, job_id, _ in changed) == ["j-1", "j-2"]
        assert second.changes(seen) == ([], seen)
        assert second.changes(0, limit=0)[1] == seen == 3
        submit(first, "j-3")
        assert second.changes(seen) == ([(4, "j-3", 1)], 4)
        told, after = second.changes(0, limit=2)
        assert ([job_id for _, job_id, _ in told], after) == (["j-1", "j-2"], 2)


def test_a_change_that_is_refused_leaves_nothing(where: Where) -> None:
    """The key is known, so neither the job nor its events may be there."""
    with open_store(where) as store:
        submit(store, "j-1", key="k")
        with pytest.raises(Conflict):
            submit(store, "j-2", key="k", count=3)
        with pytest.raises(NotFound):
            store.get("j-2")
        assert store.changes(0)[0] == [(1, "j-1", 1)]
        assert [row.job_id for row in store.waiting()] == ["j-1"]


def changed_pages(store: Store, limit: int, **wanted: object) -> list[str]:
    ids, after = [], 0
    while True:
        page, after = store.page_by_change(limit=limit, after=after, **wanted)  # type: ignore[arg-type]
        assert len(page) <= limit
        ids += [job.id for job in page]
        if not after:
            return ids


def test_pages_by_change_have_every_job_once_in_the_order_of_its_last_change(where: Where, monkeypatch) -> None:
    """Few changes are looked through at once: most pages take several looks."""
    monkeypatch.setattr("gadus.orchestrator.store.changing._CHANGES_AT_ONCE", 7)
    monkeypatch.setattr("gadus.orchestrator.store.changing.LABELLED_AT_ONCE", 5)
    with open_store(where) as store:
        assert store.page_by_change(limit=5) == ([], 0)
        labels = {"rare": "yes"}
        jobs = [submit(store, f"j-{n:02}", Namespace="ab"[n % 2], Labels=labels if n % 10 == 3 else {}) for n in range(31)]
        order = [*range(30, -1, -3), *range(1, 31, 7)]
        for number in order:
            if not jobs[number].state.final:
                jobs[number] = stop(store, place(store, jobs[number]))
        once = list(dict.fromkeys(order))
        ids = [f"j-{n:02}" for n in (*(n for n in range(31) if n not in once), *once)]
        for limit in (1, 4, 30, 31, 32):
            assert changed_pages(store, limit, newest_first=False) == ids
            assert changed_pages(store, limit) == ids[::-1]
        of_b = [one for one in ids if int(one[2:]) % 2]
        assert changed_pages(store, 4, newest_first=False, namespaces=frozenset("b")) == of_b
        assert changed_pages(store, 4, namespaces=frozenset("ab")) == ids[::-1]
        assert changed_pages(store, 4, namespaces=frozenset()) == changed_pages(store, 4, namespaces=frozenset("c")) == []
        rare = Constraint.model_validate({"Key": "rare", "Operator": "exists"})
        assert changed_pages(store, 2, labels=(rare,), newest_first=False) == [one for one in ids if int(one[2:]) % 10 == 3]


def test_a_job_that_changes_while_pages_are_read_is_not_missed(where: Where) -> None:
    """1 two of four jobs are read; 2 the first and the third change; 3 the rest is the fourth, the first again, the third."""
    with open_store(where) as store:
        jobs = [submit(store, f"j-{n}") for n in range(4)]
        first, after = store.page_by_change(limit=2, newest_first=False)
        assert [job.id for job in first] == ["j-0", "j-1"]
        for number in (0, 2):
            stop(store, jobs[number])
        rest, after = store.page_by_change(limit=9, newest_first=False, after=after)
        assert ([job.id for job in rest], after) == (["j-3", "j-0", "j-2"], 0)


@pytest.mark.parametrize("labels", [(), (Constraint.model_validate({"Key": "none", "Operator": "!"}),)])
def test_a_page_of_jobs_with_much_in_them_is_bounded(where: Where, labels: tuple[Constraint, ...]) -> None:
    """Each job of the first ones fills more than half of a page, the last one more than a page."""
    sizes = [BYTES_OF_A_PAGE * 2 // 3] * 3 + [100, 100, BYTES_OF_A_PAGE * 2]
    with open_store(where) as store:
        for number, size in enumerate(sizes):
            submit(store, f"j-{number}", at=float(number), Meta={"much": "é" * (size // 2)})
        pages, after = [], ""
        while True:
            page, after = store.page(limit=10, newest_first=False, after=after, labels=labels)
            pages.append([job.id for job in page])
            if not after:
                break
        assert pages == [["j-0"], ["j-1"], ["j-2", "j-3", "j-4"], ["j-5"]]


def test_a_job_of_many_executions_ends_its_page(where: Where) -> None:
    with open_store(where) as store:
        jobs: list[Job] = [submit(store, f"j-{number}", count=count) for number, count in enumerate((3, 25_000, 3))]
        page, after = store.page(limit=10, newest_first=False)
        assert [job.id for job in page] == ["j-0", "j-1"]
        assert page[1] == jobs[1]
        assert [job.id for job in store.page(limit=10, newest_first=False, after=after)[0]] == ["j-2"]
