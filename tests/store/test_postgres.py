"""The store on a server: what was accepted survives its crash, and writers of several processes take turns."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from relay import relay_to
from storing import stop, submission, submit

from gadus.core.errors import Conflict, StorageUnavailable, StoreCorrupt
from gadus.orchestrator.store import open_store
from gadus.orchestrator.store.checking import check
from postgres import PostgresServer, postgres_server


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def test_a_server_that_crashes_refuses_and_has_everything_when_it_is_back() -> None:
    """Of its own, so that no other test meets a server that is down. The store is not opened again."""
    with postgres_server() as server:
        url = server.database()
        with open_store(url) as store:
            assert store.append_all([submission(f"j-{number:02}") for number in range(50)]) == [None] * 50
            server.stop()
            with pytest.raises(StorageUnavailable, match="cannot be used"):
                submit(store, "j-refused")
            with pytest.raises(StorageUnavailable):
                store.get("j-01")
            server.start()
            assert store.get("j-01").id == "j-01"
            submit(store, "j-50")
            assert [job.id for job in store.page(limit=99, newest_first=False)[0]] == [f"j-{number:02}" for number in range(51)]
        assert check(url).problems == []


def test_without_an_answer_to_the_commit_the_job_is_looked_for(postgres: PostgresServer) -> None:
    """The server commits, the connection breaks before its answer: the job is there, so it is accepted, not refused."""
    url = postgres.database()
    with relay_to(postgres.directory) as (relay, directory):
        with open_store(url.replace(str(postgres.directory), str(directory))) as store:
            relay.lose_the_next_commit()
            submit(store, "j-1")
        assert relay.lost == 1
        with open_store(url) as other:
            assert other.get("j-1").id == "j-1"


def test_writers_of_several_processes_give_numbers_in_the_order_in_which_they_are_seen(postgres: PostgresServer) -> None:
    """A reader that asks all the time for what is new misses nothing."""
    url = postgres.database()
    open_store(url).close()
    jobs = 100

    def write(name: str) -> None:
        with open_store(url) as store:
            for number in range(jobs):
                submit(store, f"j-{name}-{number}")

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for writer in writers:
        writer.start()
    seen: list[tuple[int, str, int]] = []
    with open_store(url) as store:
        last = 0
        while len(seen) < jobs * len(writers):
            writing = any(writer.is_alive() for writer in writers)
            told, last = store.changes(last)
            seen += told
            assert writing or told, f"only {len(seen)} were told of"
    for writer in writers:
        writer.join()
    assert [seq for seq, *_ in seen] == list(range(1, jobs * len(writers) + 1))
    assert len({job_id for _, job_id, _ in seen}) == len(seen)


def test_of_many_who_change_one_job_at_once_one_wins(postgres: PostgresServer) -> None:
    url = postgres.database()
    with open_store(url) as store:
        job = submit(store, "j-1")
    answers: list[str] = []

    def change() -> None:
        with open_store(url) as store:
            try:
                stop(store, job)
                answers.append("kept")
            except Conflict:
                answers.append("conflict")

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["conflict"] * 5 + ["kept"]


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_could_lose_what_it_accepted_is_refused(setting: str) -> None:
    with postgres_server() as server:
        server.sql("postgres", f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
        server.stop()
        server.start()
        with pytest.raises(StorageUnavailable, match=f"{setting} is off"):
            open_store(server.database())


def test_a_commit_waits_for_the_disk_whatever_the_server_is_set_to(postgres: PostgresServer) -> None:
    url = postgres.database()
    postgres.sql("postgres", f"ALTER DATABASE {name_of(url)} SET synchronous_commit = off")
    with open_store(url) as store, store.database.transaction() as transaction:
        assert transaction.rows("SHOW synchronous_commit") == [("on",)]


def test_a_row_that_is_not_what_was_written_is_an_error(postgres: PostgresServer) -> None:
    url = postgres.database()
    with open_store(url) as store:
        job = stop(store, submit(store, "j-1"))
        submit(store, "j-2")
        postgres.sql(name_of(url), "UPDATE gadus.jobs SET job = replace(job, '1.0', '2.0') WHERE id = 'j-1'")
        with pytest.raises(StoreCorrupt, match="job j-1 is not what was written"):
            store.get(job.id)
        assert store.get("j-2").id == "j-2"
    assert len(check(url).problems) == 1


def test_errors_show_no_password_and_a_missing_driver_says_how_to_get_it() -> None:
    with pytest.raises(StorageUnavailable) as caught:
        open_store("postgresql://gadus:s3cret@127.0.0.1:1/jobs?password=s3cret")
    assert "postgresql://gadus:…@127.0.0.1:1/jobs" in caught.value.message
    assert "s3cret" not in caught.value.message + caught.value.hint
    program = "import sys; sys.modules['psycopg'] = None; from gadus.orchestrator.store import open_store; open_store('postgresql://x/y')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "StorageUnavailable: a job store in PostgreSQL needs the driver psycopg" in ended.stderr
    assert (
        "psycopg"
        not in subprocess.run(
            [sys.executable, "-c", "import sys, gadus.orchestrator.store; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
