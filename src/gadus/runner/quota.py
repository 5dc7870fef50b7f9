"""Ends a program that writes more to this machine's disk than its job may."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gadus.core.errors import DiskLimitExceeded
from gadus.core.units import format_bytes
from gadus.threads import finished_or_given_up

LOOK_SECONDS = 1.0
REST_SHARE = 10
"""After a look that took long, a rest of so many times as long: looking never takes much of a core."""

_NO_END = 2**62
_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system


async def _nowhere() -> int:
    return 0


@asynccontextmanager
async def disk_watched(
    directories: Sequence[Path], limit_bytes: int, elsewhere: Callable[[], Awaitable[int]] = _nowhere
) -> AsyncIterator[None]:
    """
    Cancel the block when it takes more than `limit_bytes` of disk below `directories` and `elsewhere`; 0 is no limit.

    What is there already does not count. A look every second; between two looks a fast disk takes more than the limit. The
    directories are looked at once more after a block that was not cancelled. Raises DiskLimitExceeded once the block has ended.
    """
    if not limit_bytes:
        yield
        return
    before_bytes = await _taken(directories, _NO_END)

    async def look() -> None:
        _check(await _taken(directories, before_bytes + limit_bytes) - before_bytes + await elsewhere(), limit_bytes)

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_again_and_again(look))
            yield
            watching.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    await look()


async def _again_and_again(look: Callable[[], Awaitable[None]]) -> None:
    while True:
        began = time.monotonic()
        await look()
        await asyncio.sleep(max(LOOK_SECONDS, REST_SHARE * (time.monotonic() - began)))


def _check(taken_bytes: int, limit_bytes: int) -> None:
    if taken_bytes > limit_bytes:
        raise DiskLimitExceeded(
            f"disk limit exceeded: the program wrote {format_bytes(taken_bytes)} or more; "
            f"the limit is {format_bytes(limit_bytes)}",
            hint="ask for more with --disk (Resources.Disk in a job file), or write less",
        )


async def _taken(directories: Sequence[Path], enough_bytes: int) -> int:
    return await finished_or_given_up(lambda given_up: disk_bytes(directories, enough_bytes, given_up))


def disk_bytes(directories: Sequence[Path], enough_bytes: int, given_up: threading.Event) -> int:
    """
    What all that is below `directories` takes on the disk; counting ends once it is more than `enough_bytes`.

    Links are not followed, a file with several names counts once, holes do not count, and what disappears meanwhile neither.
    """
    taken_bytes = 0
    counted: set[tuple[int, int]] = set()
    waiting = [str(directory) for directory in directories]
    while waiting:
        for path, status in _entries(waiting.pop()):
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            elif status.st_nlink > 1:
                if (status.st_dev, status.st_ino) in counted:
                    continue
                counted.add((status.st_dev, status.st_ino))
            taken_bytes += status.st_blocks * _BLOCK_BYTES
            if taken_bytes > enough_bytes or given_up.is_set():
                return taken_bytes
    return taken_bytes


def _entries(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry.path, entry.stat(follow_symlinks=False)
    except OSError:
        return
