"""Whether a server can take jobs now: the store can be read and written, and jobs are driven."""

from __future__ import annotations

import asyncio
import time

from gadus.core.errors import GadusError, StorageUnavailable

from .background import Background
from .store import Store, Writer

_RECENT_SECONDS = 30.0
"""A write that was kept so short a while ago says enough; otherwise one is tried."""
_PATIENCE_SECONDS = 5.0


class Readiness:
    """Asked by whoever sends work here, as often as they like: the store is tried by one at a time."""

    def __init__(self, store: Store, writer: Writer, background: Background) -> None:
        self._store = store
        self._writer = writer
        self._background = background
        self._trying: asyncio.Task[str] | None = None

    async def trouble(self) -> str:
        """What is in the way of new jobs; empty when nothing is."""
        if self._background.failure.done():
            return "jobs are not driven any more"
        if self._writer.behind_seconds > _PATIENCE_SECONDS:
            return f"the job store is {self._writer.behind_seconds:.0f} s behind"
        if time.monotonic() - self._writer.kept_at < _RECENT_SECONDS:
            return ""
        if self._trying is None or self._trying.done():
            self._trying = asyncio.create_task(self._try())
        done, _ = await asyncio.wait({self._trying}, timeout=_PATIENCE_SECONDS)
        return self._trying.result() if done else f"the job store does not answer within {_PATIENCE_SECONDS:.0f} s"

    async def _try(self) -> str:
        try:
            await asyncio.to_thread(self._store.prove)
        except StorageUnavailable as error:
            return error.message
        except GadusError as error:
            return f"the job store cannot be used: {error.message}"
        self._writer.kept_at = time.monotonic()
        return ""
