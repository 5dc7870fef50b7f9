"""
Who uses which tree: a lease is a shared lock on the tree's lock file, and whoever removes the tree needs it alone.

The kernel frees a lease when its process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.005


async def lease(path: Path) -> int | None:
    """A descriptor that holds the lease until it is closed, and now as the last use; None when there is no such tree."""
    return await _noted(path, 0)


async def made_lease(path: Path) -> int:
    """Like `lease`, for a tree that will be there at once."""
    lock = await _noted(path, os.O_CREAT)
    assert lock is not None
    return lock


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Keep leases away, if nobody has one now; yields whether that is so. Only for moments."""
    try:
        lock = _locked(path, fcntl.LOCK_EX, os.O_CREAT)
    except BlockingIOError:
        yield False
        return
    assert lock is not None
    try:
        yield True
    finally:
        os.close(lock)


def leased(path: Path) -> bool:
    """Whether anybody has a lease."""
    try:
        lock = _locked(path, fcntl.LOCK_EX, 0)
    except BlockingIOError:
        return True
    if lock is not None:
        os.close(lock)
    return False


def held_for_reading(path: Path) -> int | None:
    """Like `lease`, at once and without a note of use; None also when the tree is just being removed."""
    try:
        return _locked(path, fcntl.LOCK_SH, 0)
    except BlockingIOError:
        return None


async def _noted(path: Path, flags: int) -> int | None:
    while True:
        try:
            lock = _locked(path, fcntl.LOCK_SH, flags)
        except BlockingIOError:
            # Somebody removes the tree: that takes a moment.
            await asyncio.sleep(_POLL_SECONDS)
            continue
        if lock is not None:
            os.utime(lock)
        return lock


def _locked(path: Path, kind: int, flags: int) -> int | None:
    """The locked file; None when there is none. Raises BlockingIOError when somebody has it in the way."""
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise
        # Between open and lock a removal may have taken the file away: then this is a lock on nothing.
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)
