"""
Fetches with nothing but obstore, the floor of Gadus' own stack.

``python -m bench.peers.bare_obstore ENDPOINT BUCKET PREFIX DIRECTORY AT_ONCE``
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import obstore
import uvloop
from obstore.exceptions import GenericError
from obstore.store import S3Store

from bench.worker import report

PART_BYTES = 8 << 20
TRIES = 5


@dataclass(slots=True)
class File:
    """One object on its way: closed when no byte of it is missing."""

    key: str
    size_bytes: int
    descriptor: int
    missing_bytes: int


async def fetch(endpoint: str, bucket: str, prefix: str, directory: Path, *, at_once: int) -> Path:
    store = S3Store(bucket, endpoint=endpoint, client_options={"allow_http": True})
    parts: asyncio.Queue[tuple[File, int] | None] = asyncio.Queue(maxsize=at_once)
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(_fetch_parts(store, parts))
        async for file in _files(store, prefix, directory):
            for start in range(0, max(file.size_bytes, 1), PART_BYTES):
                await parts.put((file, start))
        for _ in range(at_once):
            await parts.put(None)
    return directory


async def _files(store: S3Store, prefix: str, directory: Path) -> AsyncIterator[File]:
    made = {directory}
    async for page in obstore.list(store, prefix, chunk_size=1000):
        for entry in page:
            into = directory / entry["path"].removeprefix(prefix)
            if into.parent not in made:
                into.parent.mkdir(parents=True, exist_ok=True)
                made.add(into.parent)
            descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            yield File(entry["path"], entry["size"], descriptor, entry["size"])


async def _fetch_parts(store: S3Store, parts: asyncio.Queue[tuple[File, int] | None]) -> None:
    while part := await parts.get():
        file, start = part
        body = await _body(store, file, start)
        if len(body) == PART_BYTES:
            await asyncio.to_thread(os.pwrite, file.descriptor, body, start)
        else:
            os.pwrite(file.descriptor, body, start)
        file.missing_bytes -= len(body)
        if not file.missing_bytes:
            os.close(file.descriptor)


async def _body(store: S3Store, file: File, start: int) -> memoryview:
    for _ in range(TRIES - 1):
        try:
            return await _body_once(store, file, start)
        except GenericError:
            continue
    return await _body_once(store, file, start)


async def _body_once(store: S3Store, file: File, start: int) -> memoryview:
    if file.size_bytes <= PART_BYTES:
        return memoryview(await (await obstore.get_async(store, file.key)).bytes_async())
    end = min(start + PART_BYTES, file.size_bytes)
    return memoryview(await obstore.get_range_async(store, file.key, start=start, end=end))


if __name__ == "__main__":
    _, endpoint, bucket, prefix, directory, at_once = sys.argv
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report(lambda: runner.run(fetch(endpoint, bucket, prefix, Path(directory), at_once=int(at_once))))
