"""A store that an earlier version wrote is taken over: nothing of it is lost, whatever happens in between."""

from __future__ import annotations

import stat
from pathlib import Path

import apsw
import pytest
from storing import submit

from gadus.core.errors import StorageUnavailable, StoreCorrupt
from gadus.core.job import Ended, Failure, Outcome, State, StopRequested
from gadus.core.lifecycle import decide
from gadus.orchestrator.store import open_store
from gadus.orchestrator.store.checking import check
from gadus.orchestrator.store.sqlite import has_checksums

SCHEMA_1 = (Path(__file__).parent / "schema_1.sql").read_text()


@pytest.fixture
def old(path: Path) -> Path:
    """A store as the version before had left it."""
    path.parent.mkdir()
    db = apsw.Connection(str(path), vfs="unix")
    db.pragma("journal_mode", "WAL")
    db.execute(SCHEMA_1)
    db.close()
    path.chmod(0o644)
    return path


def test_jobs_and_events_of_schema_1_are_taken_over(old: Path) -> None:
    with open_store(old) as store:
        done = store.find("done")
        assert (done.state, done.version, done.edition, done.begun_at) == (State.COMPLETED, 7, 1, 100.0)
        # By these ids their results are found on the disk.
        assert [one.id for one in done.executions] == [
            "e-e0e264cf-275a-5c27-ae7f-7484d237e16d",
            "e-20141c03-0428-565a-80ac-4f7af6fdaf24",
        ]
        assert [(one.attempt, one.state) for one in done.executions] == [(0, State.FAILED), (1, State.COMPLETED)]
        assert done.pins[0].digest == "ab"
        kinds = ["submitted", "placed", "phase_entered", "pinned", "ended", "placed", "ended"]
        assert [event.kind for _, event in store.events("j-done")] == kinds
        assert store.get("j-expired").message == "Job timed out. Job took longer than 0 s"
        assert store.get("j-stopping").executions[0].stopping
        assert len(store.page(limit=99)[0]) == 5
        assert store.changes(0, limit=0)[1] == 16
        submit(store, "j-new")
    assert has_checksums(old)
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    checked = check(old)
    assert (checked.jobs, checked.events, checked.taken_over, checked.problems) == (6, 17, 5, [])


def test_jobs_that_had_not_ended_can_be_brought_to_an_end(old: Path) -> None:
    """As whoever looks after the abandoned does: the processes that ran them are gone."""
    lost = Outcome(error=Failure(kind="NodeLost", message="gone"))
    with open_store(old) as store:
        unfinished = list(store.unfinished())
        assert {job.id for job in unfinished} == {"j-runs", "j-queued", "j-stopping"}
        assert all(job.attended for job in unfinished)
        assert list(store.waiting()) == []
        for before in unfinished:
            job, events = before, []
            for execution in before.live:
                events.append(Ended(at=200.0, execution_id=execution.id, outcome=lost))
                job, _ = decide(job, events[-1])
            if not job.state.final:
                events.append(StopRequested(at=200.0, reason="left behind"))
                job, _ = decide(job, events[-1])
            store.append(before, job, *events)
        assert list(store.unfinished()) == []
    assert check(old).problems == []


def test_the_store_as_it_was_is_kept(old: Path) -> None:
    open_store(old).close()
    copy = old.with_name("gadus.db.schema-1")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with apsw.Connection(str(copy)) as db:
        assert db.pragma("user_version") == 1
        assert db.execute("SELECT count(*) FROM events").fetchall() == [(16,)]


def test_an_upgrade_that_fails_changes_nothing(old: Path) -> None:
    with apsw.Connection(str(old), vfs="unix") as db:
        db.execute('UPDATE jobs SET job = replace(job, \'"state":"failed"\', \'"state":"what"\') WHERE id = \'j-expired\'')
    with pytest.raises(StoreCorrupt, match="job j-expired cannot be read"):
        open_store(old)
    with apsw.Connection(str(old), vfs="unix") as db:
        assert db.pragma("user_version") == 1
        assert db.execute("SELECT count(*) FROM jobs").fetchall() == [(5,)]
        db.execute('UPDATE jobs SET job = replace(job, \'"state":"what"\', \'"state":"failed"\')')
    with open_store(old) as store:
        assert store.get("j-expired").state is State.FAILED


def test_a_store_of_a_later_version_is_left_alone(path: Path) -> None:
    open_store(path).close()
    with apsw.Connection(str(path)) as other:
        other.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StorageUnavailable, match="schema 99"):
        open_store(path)
    assert path.read_bytes() == before


def test_an_index_that_came_later_than_the_store_is_added(where: Path | str) -> None:
    with open_store(where) as store:
        submit(store, "j-1")
        with store.database.transaction() as transaction:
            transaction.run("DROP INDEX jobs_by_state")
            transaction.run("DROP INDEX jobs_by_name")
    with open_store(where) as store:
        assert store.counts() == {("batch", "queued"): 1}
        with store.database.transaction() as transaction:
            # There they are: what is there cannot be made.
            for name in ("jobs_by_state", "jobs_by_name"):
                transaction.run(f"DROP INDEX {name}")
    assert check(where).problems == []
