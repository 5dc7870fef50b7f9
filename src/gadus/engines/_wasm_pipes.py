"""
Our ends of a process's pipes, closed once and by us.

The loop's own streams for pipes are not used: uvloop closes the descriptor, and then the file that it was given closes the same
number once more, which may be another's by then.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

_PIECE_BYTES = 65536


async def pieces(descriptor: int) -> AsyncGenerator[bytes]:
    """What comes out of a pipe until its end; closes it."""
    try:
        os.set_blocking(descriptor, False)
        while True:
            await readable(descriptor)
            with suppress(BlockingIOError):
                piece = os.read(descriptor, _PIECE_BYTES)
                if not piece:
                    return
                yield piece
    finally:
        os.close(descriptor)


async def give(descriptor: int, data: bytes) -> None:
    """Put `data` into a pipe and close it; what nobody reads any more is dropped."""
    loop = asyncio.get_running_loop()
    left = memoryview(data)
    try:
        os.set_blocking(descriptor, False)
        while left:
            with suppress(BlockingIOError):
                left = left[os.write(descriptor, left) :]
            if left:
                await _ready(descriptor, loop.add_writer, loop.remove_writer)
    except BrokenPipeError:
        return
    finally:
        os.close(descriptor)


async def readable(descriptor: int) -> None:
    """Until something can be read, or its end be seen."""
    loop = asyncio.get_running_loop()
    await _ready(descriptor, loop.add_reader, loop.remove_reader)


async def _ready(descriptor: int, add: Callable[..., object], remove: Callable[[int], object]) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(descriptor, _set, ready)
    try:
        await ready
    finally:
        remove(descriptor)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
