"""Work on files in a thread, always to its end: a thread that nobody waits for would go on in files that are closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def finished(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """What `work` returns or raises, from a thread. When cancelled, it first waits until the thread has ended."""
    return await _ended(asyncio.to_thread(work, *args, **kwargs), threading.Event())


async def finished_or_given_up(work: Callable[[threading.Event], Result]) -> Result:
    """The same for work that takes long: when cancelled, it sets the event that `work` got, which then is to return early."""
    given_up = threading.Event()
    return await _ended(asyncio.to_thread(work, given_up), given_up)


async def _ended(thread: Coroutine[Any, Any, Result], given_up: threading.Event) -> Result:
    running = asyncio.ensure_future(thread)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
            given_up.set()
    if cancelled is not None:
        running.exception()
        raise cancelled
    return running.result()
