"""The disk fills or fails, or the process dies at any system call: what was accepted is there, and nothing is half."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from storing import submission, submit

from gadus.core.errors import NotFound, StorageUnavailable
from gadus.orchestrator.store import open_store
from gadus.orchestrator.store.checking import check
from parts import skip_without, small_disk_at

POINTS = int(os.environ.get("STORE_CRASH_POINTS", "20"))
"""At how many of the system calls the process dies; 0 for each of them."""
CHANGING = ("pwrite64", "fdatasync", "fsync", "openat", "ftruncate", "unlink", "write", "close")
JOBS = 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    with small_disk_at(tmp_path / "disk", "2m") as path:
        yield path


@pytest.mark.parametrize("free_bytes", [0, 4096, 9000, 20_000, 50_000])
def test_a_full_disk_refuses_what_it_cannot_keep_and_takes_it_when_there_is_room(small_disk: Path, free_bytes: int) -> None:
    path = small_disk / "gadus.db"
    with open_store(path) as store:
        accepted = [submit(store, f"j-{number}").id for number in range(5)]
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(small_disk).free - free_bytes))
        refused = []
        for number in range(5, 60):
            change = submission(f"j-{number}", count=20)
            try:
                store.append(None, change.after, *change.events)
                accepted.append(change.after.id)
            except StorageUnavailable as error:
                assert "cannot be used" in error.message
                assert error.retry_after_seconds > 0
                refused.append(change.after.id)
        assert refused
        # Reads go on, and see nothing of what was refused.
        assert [job.id for job in store.page(limit=99, newest_first=False)[0]] == sorted(accepted)
        assert store.get("j-0").id == "j-0"
        for job_id in refused:
            with pytest.raises(NotFound):
                store.get(job_id)
        filler.unlink()
        assert submit(store, refused[0]).id == refused[0]
        accepted.append(refused[0])
    assert check(path).problems == []
    with open_store(path) as store:
        assert {job.id for job in store.page(limit=99)[0]} == set(accepted)


def said(output: str) -> tuple[dict[str, int], set[tuple[str, int]]]:
    """The version to which each job was accepted, and all that was refused."""
    lines = [line.split() for line in output.splitlines() if line.count(" ") == 2]
    accepted = {job: int(version) for word, job, version in lines if word == "accepted"}
    return accepted, {(job, int(version)) for word, job, version in lines if word == "refused"}


def traced(*options: str, path: Path, jobs: int = JOBS, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """`appending` under strace."""
    if shutil.which("strace") is None:
        skip_without("strace", "no strace found", "install it (Debian: apt-get install strace)")
    command = ["strace", "-f", "-qq", "-o", str(path.parent.with_name("trace")), *options]
    child = [sys.executable, str(Path(__file__).with_name("appending.py")), str(path), str(jobs), *more]
    return subprocess.run([*command, *child], capture_output=True, text=True, check=False, timeout=100)


def kept(path: Path) -> dict[str, int]:
    """The version of each job that is there, after all of it was checked."""
    with open_store(path) as store:
        jobs = {job.id: job.version for job in store.page(limit=999)[0]}
    assert check(path).problems == []
    return jobs


@pytest.mark.parametrize(
    ("call", "when"),
    [
        ("fdatasync", "6+3"),
        ("fdatasync", "9+5"),
        ("fdatasync", "12"),
        ("pwrite64", "60+13"),
        ("pwrite64", "81+29"),
        ("pwrite64", "140"),
    ],
)
def test_a_disk_that_fails_now_and_then_accepts_nothing_falsely(path: Path, call: str, when: str) -> None:
    path.parent.mkdir()
    open_store(path).close()
    run = traced("-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}", path=path, jobs=20)
    accepted, refused = said(run.stdout)
    assert refused, run.stderr
    assert run.stdout.splitlines()
    there = kept(path)
    assert there == accepted, run.stderr


@pytest.mark.parametrize("number", [7, 10, 12])
def test_what_was_refused_does_not_come_back_with_a_crash(path: Path, number: int) -> None:
    """1. A commit is in the log, whole. 2. Its sync fails: it is refused. 3. The process dies. 4. The next reads the log."""
    path.parent.mkdir()
    open_store(path).close()
    run = traced("-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:when={number}", path=path, jobs=20, more=("die",))
    accepted, refused = said(run.stdout)
    assert len(refused) == 1, run.stderr
    assert kept(path) == accepted


@pytest.mark.parametrize("already", [False, True], ids=["new", "there"])
def test_killed_at_any_system_call_all_that_was_acknowledged_is_there(path: Path, tmp_path: Path, already: bool) -> None:
    """The next process opens what is left without help; at most what was under way is there besides, and whole."""
    path.parent.mkdir()
    kept_aside = tmp_path / "before"
    if already:
        with open_store(path) as store:
            submit(store, "j-before")
    shutil.copytree(path.parent, kept_aside)
    counting = traced("-e", f"trace={','.join(CHANGING)}", path=path)
    assert len(said(counting.stdout)[0]) == JOBS, counting.stderr
    points = relevant_calls(tmp_path / "trace", path)
    assert len(points) > 30
    stride = max(1, len(points) * 2 // POINTS) if POINTS else 1
    for call, number in points[::stride]:
        shutil.rmtree(path.parent)
        shutil.copytree(kept_aside, path.parent)
        run = traced("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}", path=path)
        accepted, _ = said(run.stdout)
        there = kept(path)
        before = there.pop("j-before", 0)
        assert before == int(already), (call, number)
        ahead = {job: version for job, version in there.items() if accepted.get(job, 0) != version}
        assert all(there.get(job, 0) >= version for job, version in accepted.items()), (call, number, run.stderr)
        assert len(ahead) <= 1, (call, number)
        assert all(version == accepted.get(job, 0) + 1 for job, version in ahead.items()), (call, number)


def relevant_calls(trace: Path, path: Path) -> list[tuple[str, int]]:
    """Each system call from the first that touches the store, by its name and its number among those of that name."""
    numbers = dict.fromkeys(CHANGING, 0)
    points: list[tuple[str, int]] = []
    begun = False
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"\d+ +(\w+)\(", line)
        if match is None or match[1] not in numbers:
            continue
        numbers[match[1]] += 1
        begun = begun or str(path) in line
        if begun:
            points.append((match[1], numbers[match[1]]))
    return points
