"""A program may not take more disk than its job says."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from gadus.core.errors import DiskLimitExceeded, OutOfMemory
from gadus.runner import quota
from gadus.runner.quota import disk_bytes, disk_watched

KIB = 1024
LIMIT_BYTES = 256 * KIB


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "LOOK_SECONDS", 0.01)


def write(path: Path, size_bytes: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size_bytes)
    # Before it is written out, a file system may not have given it any blocks.
    with path.open("rb") as file:
        os.fsync(file)
    return path


def taken(*directories: Path) -> int:
    return disk_bytes(directories, 2**60, threading.Event())


def test_everything_below_the_directories_counts(tmp_path: Path) -> None:
    write(tmp_path / "a" / "deep" / "er" / "file", 64 * KIB)
    write(tmp_path / "b" / "file", 32 * KIB)
    assert 96 * KIB <= taken(tmp_path / "a", tmp_path / "b") < 128 * KIB


def test_what_takes_no_disk_does_not_count(tmp_path: Path) -> None:
    """Links to elsewhere, a second name of a file, a hole."""
    outside = write(tmp_path / "outside" / "file", 512 * KIB)
    inside = tmp_path / "inside"
    file = write(inside / "file", 64 * KIB)
    (inside / "again").hardlink_to(file)
    (inside / "link").symlink_to(outside)
    (inside / "directory").symlink_to(outside.parent)
    with (inside / "hole").open("wb") as hole:
        hole.truncate(2**40)
    assert 64 * KIB <= taken(inside) < 96 * KIB


def test_names_of_strange_bytes_and_what_is_gone_do_no_harm(tmp_path: Path) -> None:
    strange = os.path.join(os.fsencode(tmp_path), b"\xff\n")  # noqa: PTH118 - bytes
    with open(strange, "wb"):  # noqa: PTH123 - bytes
        pass
    assert taken(tmp_path, tmp_path / "nowhere") < 32 * KIB


async def test_program_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    async with disk_watched([tmp_path], LIMIT_BYTES):
        write(tmp_path / "file", LIMIT_BYTES // 2)


async def test_program_beyond_its_limit_is_stopped_with_the_figures(tmp_path: Path) -> None:
    ended = False
    with pytest.raises(DiskLimitExceeded, match=r"wrote 512\.0 KiB or more; the limit is 256\.0 KiB") as caught:
        async with disk_watched([tmp_path], LIMIT_BYTES):
            write(tmp_path / "file", 2 * LIMIT_BYTES)
            try:
                await asyncio.Event().wait()
            finally:
                ended = True
    assert ended
    assert "--disk" in caught.value.hint


async def test_program_that_ended_before_the_next_look_has_the_same_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "LOOK_SECONDS", 1000)
    with pytest.raises(DiskLimitExceeded):
        async with disk_watched([tmp_path], LIMIT_BYTES):
            await asyncio.sleep(0)
            write(tmp_path / "file", 2 * LIMIT_BYTES)


async def test_what_the_engine_holds_counts_too(tmp_path: Path) -> None:
    async def elsewhere() -> int:
        return LIMIT_BYTES // 2 + 1

    with pytest.raises(DiskLimitExceeded):
        async with disk_watched([tmp_path], LIMIT_BYTES, elsewhere):
            write(tmp_path / "file", LIMIT_BYTES // 2)
            await asyncio.Event().wait()


async def test_what_was_there_before_does_not_count(tmp_path: Path) -> None:
    write(tmp_path / "input", 4 * LIMIT_BYTES)
    async with disk_watched([tmp_path], LIMIT_BYTES):
        write(tmp_path / "file", LIMIT_BYTES // 2)
        await asyncio.sleep(0.05)
    with pytest.raises(DiskLimitExceeded, match=r"wrote 512\.0 KiB"):
        async with disk_watched([tmp_path], LIMIT_BYTES):
            write(tmp_path / "more", 2 * LIMIT_BYTES)
            await asyncio.Event().wait()


async def test_error_of_the_program_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemory):
        async with disk_watched([tmp_path], LIMIT_BYTES):
            raise OutOfMemory("too much")


async def test_stop_passes_through(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), disk_watched([tmp_path], LIMIT_BYTES):
            await asyncio.Event().wait()


async def test_no_limit_is_no_watch(tmp_path: Path) -> None:
    async with disk_watched([tmp_path], 0):
        write(tmp_path / "file", 2 * LIMIT_BYTES)
