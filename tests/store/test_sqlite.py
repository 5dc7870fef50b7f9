"""The store in a file: only its owner reads it, and a lost, foreign or damaged one is never taken for a whole one."""

from __future__ import annotations

import os
import random
import shutil
import stat
from contextlib import suppress
from pathlib import Path

import apsw
import pytest
from storing import place, stop, submission, submit

from gadus.core.errors import GadusError, StorageUnavailable, StoreCorrupt
from gadus.core.job import Job
from gadus.orchestrator.store import open_store
from gadus.orchestrator.store.checking import check

HITS = int(os.environ.get("STORE_HITS", "20"))
"""How many random damages are tried."""


def grown(path: Path, jobs: int = 300) -> dict[str, Job]:
    """A store with jobs of several kinds, and what they are."""
    with open_store(path) as store:
        answers = store.append_all(
            [submission(f"j-{n:04}", name=f"n{n % 50}", at=float(n), count=1 + n % 3) for n in range(jobs)]
        )
        assert answers == [None] * jobs
        for number in range(0, jobs, 7):
            place(store, store.get(f"j-{number:04}"))
        for number in range(0, jobs, 11):
            stop(store, store.get(f"j-{number:04}"))
        return {job.id: job for job in store.page(limit=jobs)[0]}


def test_only_its_owner_can_read_it(path: Path) -> None:
    old = os.umask(0)
    try:
        with open_store(path) as store:
            submit(store, "j-1")
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == dict.fromkeys(("gadus.db", "gadus.db-wal", "gadus.db-shm", "gadus.db-id"), 0o600)


def test_the_sqlite_is_one_without_the_wal_reset_defect() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split(".")))[:3] >= (3, 51, 3)


def test_every_commit_waits_for_the_disk_and_pages_have_checksums(path: Path) -> None:
    with open_store(path) as store:
        line = store.database._writing  # type: ignore[attr-defined]
        assert line.pragma("synchronous") == 2
        assert line.pragma("journal_mode") == "wal"
        assert line.reserve_bytes() == 8


def test_a_file_that_is_no_store_is_refused_and_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, and it must stay as it is" * 100)
    with pytest.raises(StoreCorrupt, match=r"job store .* is damaged: .*not a database") as caught:
        open_store(path)
    assert "gadus store restore" in caught.value.hint
    assert path.read_bytes() == b"this is not a database, and it must stay as it is" * 100
    path.unlink()
    with apsw.Connection(str(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StorageUnavailable, match="database of something else"):
        open_store(path)


@pytest.mark.parametrize("lost", ["removed", "emptied", "removed but for the log", "another"])
def test_a_store_that_is_gone_is_not_begun_anew(path: Path, lost: str) -> None:
    grown(path, 20)
    if lost == "removed but for the log":
        with open_store(path) as store:
            submit(store, "j-new")
            log = path.with_name("gadus.db-wal").read_bytes()
        assert log
        path.with_name("gadus.db-wal").write_bytes(log)
        path.with_name("gadus.db-id").unlink()
    path.write_bytes(b"") if lost == "emptied" else path.unlink()
    if lost == "another":
        open_store(path.with_name("other.db")).close()
        path.with_name("other.db").rename(path)
    with pytest.raises(StoreCorrupt, match=r"gone or empty|another store") as caught:
        open_store(path)
    assert "gadus store restore FILE --replace" in caught.value.hint
    # And what the hint says about using it as it is, works.
    if lost == "another":
        path.with_name("gadus.db-id").unlink()
        open_store(path).close()


def test_a_log_that_is_lost_or_an_older_copy_is_noticed(path: Path, tmp_path: Path) -> None:
    """1. Jobs are accepted. 2. The process dies: the newest are only in the log. 3. The log goes, or yesterday's file comes."""
    with open_store(path) as store:
        submit(store, "j-1")
        kept = tmp_path / "killed"
        shutil.copytree(path.parent, kept)
        submit(store, "j-2")
        later = tmp_path / "later"
        shutil.copytree(path.parent, later)
    with open_store(later / "gadus.db") as store:
        assert store.get("j-2")
    shutil.rmtree(path.parent)
    shutil.copytree(kept, path.parent)
    (path.parent / "gadus.db-wal").unlink()
    (path.parent / "gadus.db-shm").unlink()
    with pytest.raises(StoreCorrupt):
        open_store(path)
    shutil.copy(later / "gadus.db-id", kept / "gadus.db-id")
    with pytest.raises(StoreCorrupt, match="the last 1 of its 2 events are missing"):
        open_store(kept / "gadus.db")


def test_damaged_pages_are_an_error_or_of_no_effect_but_never_another_answer(path: Path, tmp_path: Path) -> None:
    """
    Random bytes or zeros, anywhere in the file or its log; each on a fresh copy.

    The copy is that of a store in use, as a process that was killed leaves it.
    """
    grown(path)
    living = tmp_path / "living"
    with open_store(path) as store:
        for number in range(40):
            submit(store, f"j-9{number:03}", at=1000.0 + number)
        shutil.copytree(path.parent, living)
        jobs = {job.id: job for job in store.page(limit=999)[0]}
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    refused = 0
    for _ in range(HITS):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(living, copy)
        hit(copy / chance.choice(("gadus.db", "gadus.db-wal")), chance)
        try:
            with open_store(copy / "gadus.db") as store:
                assert {job.id: job for job in store.page(limit=999)[0]} == jobs, f"seed {seed}"
                for job in jobs.values():
                    assert store.get(job.id) == job, f"seed {seed}"
                    assert len(store.events(job.id)) == job.version, f"seed {seed}"
                    assert store.find(job.id[:6]) == job, f"seed {seed}"
                waiting = [row.job_id for row in store.waiting()]
                assert waiting == sorted(row for row in jobs if not jobs[row].executions and jobs[row].vacancies), (
                    f"seed {seed}"
                )
        except StoreCorrupt:
            refused += 1
    assert refused >= HITS * 3 // 4, f"seed {seed}: {refused} of {HITS} damages were noticed"


def hit(file: Path, chance: random.Random) -> None:
    length = chance.choice((1, 16, 512, 4096))
    with file.open("r+b") as damaged:
        damaged.seek(place := chance.randrange(file.stat().st_size - length))
        before = damaged.read(length)
        after = bytes(length) if chance.random() < 0.3 else before
        while after == before:
            after = chance.randbytes(length)
        damaged.seek(place)
        damaged.write(after)


def test_a_page_in_the_place_of_another_is_found_by_a_check(path: Path, tmp_path: Path) -> None:
    """A disk that wrote it elsewhere: its checksum is right. Reading gives StoreCorrupt or an answer, and nothing else."""
    jobs = grown(path)
    whole = path.read_bytes()
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    for _ in range(HITS):
        here, there = chance.sample(range(len(whole) // 4096), 2)
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(path.parent, copy)
        page = whole[there * 4096 : (there + 1) * 4096]
        (copy / "gadus.db").write_bytes(whole[: here * 4096] + page + whole[(here + 1) * 4096 :])
        with suppress(StoreCorrupt), open_store(copy / "gadus.db") as store:
            list(store.waiting())
            for job in jobs.values():
                store.get(job.id)
                assert len(store.events(job.id)) == job.version, f"seed {seed}"
            store.page(limit=999)
        assert check(copy / "gadus.db").damaged, f"seed {seed}"


def test_a_check_finds_a_row_that_is_not_what_its_events_make_of_it(path: Path) -> None:
    """A defect of ours, or somebody's hand: no checksum of a page can notice that."""
    grown(path, 30)
    assert check(path).problems == []
    with open_store(path) as store, store.database.transaction() as transaction:
        transaction.run("UPDATE jobs SET state = 'failed' WHERE id = 'j-0001'")
        transaction.run("DELETE FROM parts WHERE job_id = 'j-0002'")
        transaction.run("DELETE FROM events WHERE job_id = 'j-0003'")
        transaction.run("UPDATE events SET event = replace(event, 'n4', 'x4') WHERE job_id = 'j-0004'")
        transaction.run("DELETE FROM jobs WHERE id = 'j-0005'")
        transaction.run("INSERT INTO submissions VALUES ('default', 'k', 'j-none')")
    checked = check(path)
    assert checked.damaged == len(checked.problems) == 8
    for number in range(1, 6):
        assert any(f"j-000{number}" in problem for problem in checked.problems)
    with open_store(path) as store:
        for number in (1, 2):
            with pytest.raises(StoreCorrupt, match=f"job j-000{number}"):
                store.get(f"j-000{number}")
        with pytest.raises(StoreCorrupt, match="event 1 of job j-0004 is not what was written"):
            store.events("j-0004")
        with pytest.raises(GadusError):
            store.page(limit=99)
