"""Archives of results put into one directory: nothing of them is trusted, and nothing outside of it is touched."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from gadus.core.errors import DiskFull, GadusError, Unavailable
from gadus.threads import finished

from .merging import Merged

_GZIP = b"\x1f\x8b"
_COPY_BYTES = 1 << 18
_MOST_BYTES_AFTER = 1 << 20
"""What may follow the last member of an archive: it is filled up to whole records."""


async def unpacked(body: AsyncIterator[bytes], into: Merged, execution: str) -> None:
    """
    The archive in `body`, a tar that may be gzipped, put into `into`. Raises Unavailable when it is damaged, and as `Merged`.

    What was put there until then is left behind.
    """
    await _through_pipe(body, lambda pipe: _unpack(pipe, into, execution))


async def kept(body: AsyncIterator[bytes], into: Merged, name: str) -> None:
    """The file in `body` as `name` in `into`."""
    await _through_pipe(body, lambda pipe: into.put(name, pipe, name, is_executable=False))


async def _through_pipe(body: AsyncIterator[bytes], consume: Callable[[BufferedReader], None]) -> None:
    """Consumed in a thread, which makes the sender wait when the disk is slow."""
    reads, writes = os.pipe()
    consuming = asyncio.ensure_future(finished(_consumed, reads, consume))
    try:
        # Whoever consumes has given up then, and says why.
        with suppress(BrokenPipeError):
            async for piece in body:
                await finished(_write, writes, piece)
    except BaseException:
        os.close(writes)
        with suppress(GadusError, OSError):
            await consuming
        raise
    os.close(writes)
    await consuming


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _consumed(descriptor: int, consume: Callable[[BufferedReader], None]) -> None:
    with os.fdopen(descriptor, "rb") as pipe:
        consume(pipe)


def _unpack(pipe: BufferedReader, into: Merged, execution: str) -> None:
    try:
        plain = gzip.GzipFile(fileobj=pipe) if pipe.peek(2)[:2] == _GZIP else pipe
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            for member in archive:
                _take(archive, member, into, execution)
        # To the end: only there it is known that all of it has come.
        after = 0
        while data := plain.read(_COPY_BYTES):
            after += len(data)
            if after > _MOST_BYTES_AFTER:
                raise tarfile.ReadError("more follows the end of the archive")
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as exc:
        raise Unavailable(f"the results of {execution} did not arrive whole: {exc}", hint="try again") from exc


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Merged, execution: str) -> None:
    name = member.name.rstrip("/")
    if member.isdir():
        into.directory(name, execution)
    elif member.issym():
        into.link(name, member.linkname, execution)
    elif member.isreg():
        _check_room(member, into.root)
        content = archive.extractfile(member)
        if content is not None:
            into.put(name, content, execution, is_executable=bool(member.mode & 0o100))
    else:
        into.leave_out(name)


def _check_room(member: tarfile.TarInfo, root: Path) -> None:
    free = shutil.disk_usage(root).free
    if member.size > free:
        raise DiskFull(
            f"the result {member.name} has {member.size} bytes, and {free} are free",
            hint="choose another disk with --output-dir",
        )
