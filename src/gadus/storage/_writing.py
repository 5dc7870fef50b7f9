"""Bytes into the file of a slot, by threads that are always waited for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gadus.contracts import Slot

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def in_thread(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """
    What `work` returns or raises, from a thread. When cancelled, it first waits until the thread has ended.

    A thread that went on would write into a file that may be somebody else's by then.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        running.exception()
        raise cancelled
    return running.result()


def write_at(slot: Slot, offset: int, data: bytes | memoryview) -> None:
    """All of `data` at `offset`; blocks. Raises OSError of the local disk."""
    view = memoryview(data)
    written = 0
    while written < len(view):
        written += os.pwrite(slot.handle, view[written:], offset + written)
    slot.wrote(offset, offset + len(view))
