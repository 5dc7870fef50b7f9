"""Backups are the store at one moment, and a store is made of them again: in a file and on a server."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from storing import end, place, stop, submission, submit

from gadus.core.errors import Conflict, NotFound, StoreCorrupt
from gadus.core.job import Job
from gadus.orchestrator.store import open_store
from gadus.orchestrator.store.backup import backup
from gadus.orchestrator.store.checking import check
from gadus.orchestrator.store.restoring import restore
from postgres import PostgresServer


def grown(where: Path | str) -> list[Job]:
    """All jobs of a store that has some of each kind."""
    with open_store(where) as store:
        submit(store, "j-1", name="one", key="k")
        submit(store, "j-2", count=3, at=2.0)
        place(store, store.get("j-2"))
        stop(store, submit(store, "j-3", at=3.0, attended=True))
        job = place(store, submit(store, "j-4", at=4.0))
        end(store, job, job.executions[0])
        return list(store.page(limit=99)[0])


def content(where: Path | str) -> tuple[list[Job], list[object], str, int]:
    with open_store(where) as store:
        jobs = list(store.page(limit=99)[0])
        events = [store.events(job.id) for job in jobs]
        return jobs, events, store.submission("default", "k"), store.changes(0, limit=0)[1]


@pytest.mark.parametrize("to_server", [False, True])
def test_what_is_restored_is_what_was_backed_up(
    where: Path | str, tmp_path: Path, to_server: bool, postgres: PostgresServer
) -> None:
    grown(where)
    before = content(where)
    saved = backup(where, tmp_path / "backup")
    assert (saved.jobs, saved.events, saved.size_bytes) == (4, 8, (tmp_path / "backup").stat().st_size)
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("backup")] == ["backup"]
    target = postgres.database() if to_server else tmp_path / "new" / "gadus.db"
    restored = restore(tmp_path / "backup", target)
    assert (restored.jobs, restored.events, restored.aside) == (4, 8, "")
    assert content(target) == before
    with open_store(target) as store:
        assert submit(store, "j-5").id == "j-5"
    checked = check(target)
    assert (checked.jobs, checked.problems) == (5, [])


def test_a_backup_beside_a_writer_is_one_moment(where: Path | str, tmp_path: Path) -> None:
    """Every job is submitted and stopped in one transaction: a backup has both or neither."""
    ended = threading.Event()

    def write() -> None:
        with open_store(where) as store:
            for number in range(10_000):
                first = submission(f"j-{number}")
                assert store.append_all([first, submission(f"k-{number}")]) == [None, None]
                if ended.is_set():
                    return

    open_store(where).close()
    writing = threading.Thread(target=write)
    writing.start()
    try:
        for number in range(3):
            saved = backup(where, tmp_path / f"backup{number}")
            assert saved.jobs == saved.events
            assert saved.jobs % 2 == 0
            assert check(tmp_path / f"backup{number}").problems == []
    finally:
        ended.set()
        writing.join()


def test_a_store_with_jobs_is_replaced_only_when_told_and_kept_aside(where: Path | str, tmp_path: Path) -> None:
    grown(where)
    backup(where, tmp_path / "backup")
    with open_store(where) as store:
        submit(store, "j-later")
    before = content(where)
    with pytest.raises(Conflict, match="has jobs already"):
        restore(tmp_path / "backup", where)
    assert content(where) == before
    restored = restore(tmp_path / "backup", where, replace=True)
    assert len(content(where)[0]) == 4
    if isinstance(where, Path):
        assert content(Path(restored.aside)) == before
    else:
        assert restored.aside.startswith("schema gadus_before_")


def test_a_store_in_use_is_not_replaced(where: Path | str, tmp_path: Path) -> None:
    grown(where)
    backup(where, tmp_path / "backup")
    with open_store(where) as store:
        with pytest.raises(Conflict, match="is in use"):
            restore(tmp_path / "backup", where, replace=True)
        submit(store, "j-later")
    assert len(content(where)[0]) == 5


def test_a_damaged_backup_is_refused_before_anything_is_changed(where: Path | str, tmp_path: Path) -> None:
    grown(where)
    file = tmp_path / "backup"
    backup(where, file)
    whole = file.read_bytes()
    before = content(where)
    for damaged in (whole[:-5000], whole[: 4096 * 3] + b"\7" * 100 + whole[4096 * 3 + 100 :], b"", b"text" * 1000):
        file.write_bytes(damaged)
        with pytest.raises(StoreCorrupt, match="backup is damaged"):
            restore(file, where, replace=True)
    with open_store(tmp_path / "wrong" / "gadus.db") as store:
        submit(store, "j-1")
        with store.database.transaction() as transaction:
            transaction.run("UPDATE jobs SET version = 2")
    with pytest.raises(StoreCorrupt, match="job j-1"):
        restore(tmp_path / "wrong" / "gadus.db", where, replace=True)
    with pytest.raises(NotFound):
        restore(tmp_path / "none", where, replace=True)
    assert content(where) == before


def test_a_store_that_is_damaged_or_gone_is_restored(path: Path, tmp_path: Path) -> None:
    jobs = grown(path)
    backup(path, tmp_path / "backup")
    for damage in (b"", b"\0" * 4096, None):
        path.unlink() if damage is None else path.write_bytes(damage)
        with pytest.raises(StoreCorrupt):
            open_store(path)
        assert check(path).damaged == 1
        if damage:
            with pytest.raises(Conflict, match="has jobs already"):
                restore(tmp_path / "backup", path)
        restore(tmp_path / "backup", path, replace=True)
        assert content(path)[0] == jobs


def test_a_store_without_the_end_of_its_log_can_be_used_as_it_is_when_told(path: Path, tmp_path: Path) -> None:
    """The file of the store itself is restored."""
    jobs = grown(path)
    kept = path.read_bytes()
    with open_store(path) as store:
        submit(store, "j-lost", at=9.0)
    path.write_bytes(kept)
    with pytest.raises(StoreCorrupt, match="the last 1 of its 9 events are missing"):
        open_store(path)
    restore(path, path, replace=True)
    assert content(path)[0] == jobs


def test_a_backup_never_overwrites_and_a_failed_one_leaves_nothing(path: Path, tmp_path: Path) -> None:
    grown(path)
    (tmp_path / "backup").write_text("mine")
    with pytest.raises(Conflict, match="is there already"):
        backup(path, tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "mine"
    with pytest.raises(NotFound, match="there is no job store"):
        backup(path.with_name("wrong.db"), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert not path.with_name("wrong.db").exists()
    damaged = bytearray(path.read_bytes())
    damaged[4096 * 4 : 4096 * 4 + 10] = b"\7" * 10
    path.write_bytes(damaged)
    with pytest.raises(StoreCorrupt):
        backup(path, tmp_path / "other")
    assert [one.name for one in tmp_path.iterdir() if "other" in one.name] == []
