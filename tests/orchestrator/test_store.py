"""The job store: what was accepted is there after any end of the process, and two writers never lose an event."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from gadus.core.errors import Conflict, NotFound, StorageUnavailable
from gadus.core.job import Job, State, StopRequested, Submitted
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec
from gadus.orchestrator.store import Store


def spec(name: str = "") -> JobSpec:
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}}
    return JobSpec.model_validate({"Name": name, "Type": "batch", "Tasks": [task]})


def submit(store: Store, job_id: str, *, name: str = "", at: float = 1.0) -> Job:
    job, _ = decide(None, event := Submitted(at=at, job_id=job_id, spec=spec(name)))
    store.append(job, event)
    return job


def stop(store: Store, job: Job) -> Job:
    job, _ = decide(job, event := StopRequested(at=2.0, reason="why"))
    store.append(job, event)
    return job


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "gadus.db"
    with Store(path) as store:
        job = stop(store, submit(store, "j-1", name="word-count"))
    with Store(path) as store:
        assert store.get("j-1") == job
        assert [event.kind for event in store.events("j-1")] == ["submitted", "stop_requested"]
        assert store.get("j-1").state is State.STOPPED


def test_of_two_writers_the_second_must_look_again(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as first, Store(tmp_path / "db") as second:
        job = submit(first, "j-1")
        stop(second, second.get("j-1"))
        with pytest.raises(Conflict, match="was changed by another process"):
            stop(first, job)
        assert len(first.events("j-1")) == 2


def test_a_job_is_found_by_id_leading_part_or_name(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        submit(store, "j-aaaa1111", name="one")
        submit(store, "j-aaaa2222", name="two")
        assert store.find("j-aaaa1").id == "j-aaaa1111"
        assert store.find("two").id == "j-aaaa2222"
        with pytest.raises(Conflict, match="multiple jobs found for 'j-aaaa': j-aaaa"):
            store.find("j-aaaa")
        for missing in ("j-b", "", "%", "three"):
            with pytest.raises(NotFound, match="job not found"):
                store.find(missing)


def test_pages_are_in_the_order_of_creation(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        for number in range(5):
            submit(store, f"j-{number}", at=float(number))
        assert [job.id for job in store.page(limit=2, offset=1, newest_first=True)] == ["j-3", "j-2"]
        assert [job.id for job in store.page(limit=9, offset=0, newest_first=False)] == [f"j-{n}" for n in range(5)]


def test_a_file_that_is_no_store_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is not a database, and it must stay as it is" * 100)
    with pytest.raises(StorageUnavailable, match=r"job store .* cannot be used") as caught:
        Store(tmp_path / "db")
    assert "--data-dir" in caught.value.hint
    assert (tmp_path / "db").read_bytes().startswith(b"this is not")


def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path / "db").__exit__()
    with apsw.Connection(str(tmp_path / "db")) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageUnavailable, match="schema 99"):
        Store(tmp_path / "db")


def test_the_sqlite_is_one_without_the_wal_reset_defect() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split(".")))[:3] >= (3, 51, 3)


APPENDER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_store import Store, submit
with Store(Path(sys.argv[1])) as store:
    number = 0
    while True:
        submit(store, f"j-{number}")
        print(f"j-{number}", flush=True)
        number += 1
"""


def test_killed_while_accepting_jobs_loses_none_that_was_acknowledged(tmp_path: Path) -> None:
    for round_number in range(3):
        path = tmp_path / f"db{round_number}"
        command = [sys.executable, "-c", APPENDER, str(path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(20 * (round_number + 1))]
            os.kill(process.pid, signal.SIGKILL)
            lines += process.stdout.readlines()
        acknowledged = {line.strip() for line in lines if line.endswith("\n")}
        with Store(path) as store:
            kept = {job.id for job in store.page(limit=100_000, offset=0, newest_first=True)}
        assert acknowledged <= kept
