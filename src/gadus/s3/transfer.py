"""
Objects to files: many at once, large ones in parts, every answer checked against what was listed.

    units (small objects and parts) ─▶ workers ─▶ pwrite into each object's file ─▶ checked ─▶ whole

One worker is one request in flight. Memory is bounded by workers × chunk, whatever the sizes of the objects.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from gadus.core.errors import ChecksumMismatch, StorageUnavailable

from .bucket import Bucket
from .buffers import reuse_buffers
from .diagnose import Question, changed, explain
from .download import SMALL_BYTES, Download, Gone, Refused, Replaced
from .hashing import Hashing
from .listing import quoted
from .requests import TRIES, pause_seconds

WORKERS = 32
"""Requests in flight: enough to hide the time to the first byte of small objects."""
PART_BYTES = 8 << 20
LARGEST_PART_BYTES = 64 << 20
PARTS = 32
"""A large object is fetched in about so many parts: more give more requests, fewer leave connections idle at the end."""
LARGE_BYTES = 1 << 20
LARGE_AT_ONCE = 12
"""Requests in flight for more than `LARGE_BYTES`: they fill the network by themselves, and more of them only need memory."""


@dataclass(frozen=True, slots=True)
class Target:
    """One object to fetch, as it was listed, and the new file for it. `sha256` is hex, or empty when nothing is pinned."""

    key: str
    size_bytes: int
    etag: str
    version_id: str
    sha256: str
    into: Path


async def transfer(
    bucket: Bucket,
    targets: Sequence[Target],
    *,
    received: Callable[[int], None],
    whole: Callable[[Target, str], None],
) -> None:
    """
    Fetch every target. `received` is told of bytes as they are written, `whole` of each file that is complete and checked.

    `whole` gets the SHA-256 as hex where one was computed. The first error ends the rest; other files may then be partial.
    Raises InputChanged, ChecksumMismatch, InputUnreadable, StorageUnavailable, OSError of the local disk.
    """
    download = Download(bucket)
    opened: set[_File] = set()
    units = _units(targets, opened, received, whole)
    room_for_large = asyncio.Semaphore(LARGE_AT_ONCE)
    reuse_buffers()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(WORKERS, _count(targets))):
                group.create_task(_work(bucket, download, units, room_for_large))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        for file in tuple(opened):
            await file.close()


READ_ONLY = 0o444
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class _File:
    """An object on its way: its file, and how much of it is still missing."""

    def __init__(
        self, target: Target, opened: set[_File], received: Callable[[int], None], whole: Callable[[Target, str], None]
    ) -> None:
        self.target = target
        self._opened = opened
        self._hashing: Hashing | None = None
        self._finishing = False
        self._received = received
        self._whole = whole
        self._missing_bytes = target.size_bytes
        self.handle = os.open(target.into, _NEW_FILE, READ_ONLY)
        opened.add(self)
        if target.size_bytes > PART_BYTES:
            # Parts arrive in any order: without this the file system would lay the file out in that order.
            os.posix_fallocate(self.handle, 0, target.size_bytes)
        self._hashing = Hashing(self.handle) if target.sha256 else None

    def arrived(self, offset: int, size_bytes: int) -> None:
        self._missing_bytes -= size_bytes
        self._received(size_bytes)
        if self._hashing is not None:
            self._hashing.have(offset, size_bytes)

    async def finish_if_whole(self) -> None:
        if self._missing_bytes or self._finishing:
            return
        # Another worker may bring its last part while this one waits for the digest.
        self._finishing = True
        sha256 = await self._hashing.hex() if self._hashing is not None else ""
        await self.close()
        if sha256 != self.target.sha256:
            raise ChecksumMismatch(
                f"checksum mismatch for key {self.target.key!r}: expected SHA-256 {self.target.sha256}, got {sha256}",
                hint="the object is not the one that was pinned: check ChecksumSHA256, or pin its version with VersionID",
            )
        self._whole(self.target, sha256)

    async def close(self) -> None:
        self._opened.discard(self)
        if self._hashing is not None:
            # A thread may still read: a closed handle's number may be another file's a moment later.
            await self._hashing.rest()
        os.close(self.handle)


@dataclass(slots=True)
class _Unit:
    """The bytes from `offset` to `end` of a file: one request."""

    file: _File
    offset: int
    end: int


def _units(
    targets: Sequence[Target], opened: set[_File], received: Callable[[int], None], whole: Callable[[Target, str], None]
) -> Iterator[_Unit]:
    """Every request to make. A file is opened when its first part is due, so that few are open at once."""
    for target in targets:
        file = _File(target, opened, received, whole)
        step = _part_bytes(target.size_bytes)
        for offset in range(0, target.size_bytes, step) or (0,):
            yield _Unit(file, offset, min(offset + step, target.size_bytes))


def _part_bytes(size_bytes: int) -> int:
    return min(LARGEST_PART_BYTES, max(PART_BYTES, size_bytes // PARTS))


def _count(targets: Sequence[Target]) -> int:
    return sum(max(1, -(-target.size_bytes // _part_bytes(target.size_bytes))) for target in targets)


async def _work(bucket: Bucket, download: Download, units: Iterator[_Unit], room_for_large: asyncio.Semaphore) -> None:
    for unit in units:
        if unit.end - unit.offset > LARGE_BYTES:
            async with room_for_large:
                await _fetch(bucket, download, unit)
        elif unit.end > unit.offset:
            await _fetch(bucket, download, unit)
        await unit.file.finish_if_whole()


async def _fetch(bucket: Bucket, download: Download, unit: _Unit) -> None:
    """Fetch a unit; after a broken or stalled connection, what is missing of it."""
    target = unit.file.target
    tried = 0
    while unit.offset < unit.end:
        before = unit.offset
        try:
            if unit.end - unit.offset <= SMALL_BYTES:
                _write(unit, await download.whole(target, unit.offset, unit.end))
                continue
            async with aclosing(download.chunks(target, unit.offset, unit.end)) as chunks:
                async for chunk in chunks:
                    _write(unit, chunk)
        except Gone as exc:
            raise changed(bucket.location.bucket, target.key, "removed") from exc
        except Replaced as exc:
            raise changed(bucket.location.bucket, target.key, "replaced") from exc
        except (Refused, StorageUnavailable) as exc:
            if isinstance(exc, Refused):
                await _explain(bucket, target)
            # A connection that brought something was worth its try.
            tried = 1 if unit.offset > before else tried + 1
            if tried >= TRIES:
                raise _given_up(bucket, target, exc) from exc
            await asyncio.sleep(pause_seconds(tried))


async def _explain(bucket: Bucket, target: Target) -> None:
    """
    Raise the cause of a refusal: asked again for one byte, because the answer that was refused is gone.

    Returns if the service would now answer: then its refusal was of the moment, or `bucket` has just learnt its region.
    """
    query = f"versionId={quoted(target.version_id)}" if target.version_id else ""
    answer = await bucket.ask("GET", target.key, query=query, headers={"Range": "bytes=0-0"})
    if not answer.good:
        raise await explain(bucket, Question(key=target.key, version_id=target.version_id, listed=True), answer)


def _given_up(bucket: Bucket, target: Target, cause: Exception) -> StorageUnavailable:
    if isinstance(cause, StorageUnavailable):
        return cause
    return StorageUnavailable(f"{bucket.location.endpoint} refuses {target.key!r}: {cause}", hint="try again later")


def _write(unit: _Unit, chunk: memoryview) -> None:
    if len(chunk) > unit.end - unit.offset:
        raise StorageUnavailable(f"the service sent more of {unit.file.target.key!r} than was asked for")
    # Not in a thread: into the page cache this takes less time than handing it over.
    _write_all(unit.file.handle, chunk, unit.offset)
    unit.file.arrived(unit.offset, len(chunk))
    unit.offset += len(chunk)


def _write_all(handle: int, chunk: memoryview, offset: int) -> None:
    while chunk:
        written = os.pwrite(handle, chunk, offset)
        chunk = chunk[written:]
        offset += written
