"""
A directory that exactly one living process works in.

The claim is a lock on the file ``<directory>.lock``: the kernel frees it when the process ends, however it ends, so a
directory whose claim can be taken belongs to nobody and may be removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@contextmanager
def claimed(directory: Path) -> Iterator[Path]:
    """
    Make `directory` and hold it; on exit it is removed with all that is left in it.

    Raises FileExistsError when another process holds it.
    """
    lock = _take(directory)
    if lock is None:
        raise FileExistsError(f"{directory} is in use by another process")
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        yield directory
    finally:
        _remove(directory, lock)


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the bare claim `path`, if it is free; yields whether it was. Nothing but the lock file is made."""
    lock = _take(path)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            _lock_path(path).unlink(missing_ok=True)
            os.close(lock)


@dataclass(frozen=True, slots=True)
class Living:
    """
    Contains the names of the directories below `parent` that are claimed at the moment in which it is asked, after a sweep.

    Not those of the moment in which it was made: what somebody began since then is alive as well.
    """

    parent: Path

    def __contains__(self, name: object) -> bool:
        return _lock_path(self.parent / str(name)).exists()


def sweep(parent: Path) -> list[str]:
    """Remove every directory below `parent` whose process is gone; returns their names."""
    removed = []
    for lock_path in sorted(parent.glob("*.lock")):
        directory = lock_path.with_suffix("")
        lock = _take(directory)
        if lock is not None:
            _remove(directory, lock)
            removed.append(directory.name)
    return removed


def _take(directory: Path) -> int | None:
    """The descriptor of the lock of `directory`, or None when a living process holds it."""
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return locked(_lock_path(directory))


def locked(path: Path, *, make: bool = True) -> int | None:
    """
    A descriptor of the file at `path` that holds its lock, and appends; None when a living process holds it.

    Raises FileNotFoundError when there is none and it is not to be made.
    """
    while True:
        lock = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        # Between open and lock a sweep may have removed the file: then this is a lock on nothing.
        if _is_still(path, lock):
            return lock
        os.close(lock)


def _is_still(path: Path, lock: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False


def _remove(directory: Path, lock: int) -> None:
    """Remove the directory, then its lock: in this order a crash between leaves a lock that the next sweep finds."""
    shutil.rmtree(directory, ignore_errors=True)
    _lock_path(directory).unlink(missing_ok=True)
    os.close(lock)


def _lock_path(directory: Path) -> Path:
    return directory.with_name(directory.name + ".lock")
