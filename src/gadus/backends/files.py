"""A process that may open no more files for a moment tries again later: what it follows goes on meanwhile."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gadus.watch.lines import note

_PAUSE_SECONDS = 1.0
_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE)

Result = TypeVar("Result")


async def when_files_allow(work: Callable[[], Awaitable[Result]]) -> Result:
    """What `work` gives, which can be begun again; it is, for as long as no file can be opened for it."""
    while True:
        try:
            return await work()
        except OSError as exc:
            if exc.errno not in _NO_MORE_FILES:
                raise
            note("no more files can be opened; it is tried again", logging.WARNING, seconds=_PAUSE_SECONDS)
        await asyncio.sleep(_PAUSE_SECONDS)
