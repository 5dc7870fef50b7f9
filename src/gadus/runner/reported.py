"""What happens to the bytes of one input, told by many threads, and passed on to who watches a few times a second."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gadus.contracts import Reporter
from gadus.core.manifest import Item

_TELL_SECONDS = 0.1


class Reported:
    """Adds up; a `Report` of the cache, and of slots outside it."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()
        self._here = (0, 0)
        self._whole = 0
        self._bytes = 0

    def here(self, objects: int, size_bytes: int) -> None:
        """So much was in the cache."""
        with self._lock:
            self._here = (self._here[0] + objects, self._here[1] + size_bytes)

    def arrived(self, size_bytes: int) -> None:
        """So many bytes were written, or given up when negative."""
        with self._lock:
            self._bytes += size_bytes

    def whole(self, item: Item) -> None:  # noqa: ARG002 - the cache's signature
        """One more fetched object is complete."""
        with self._lock:
            self._whole += 1

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Pass on what was added up, as long as the block lasts, and the rest at its end."""
        telling = asyncio.create_task(self._tell_again_and_again())
        try:
            yield
        finally:
            telling.cancel()
            self._tell()

    async def _tell_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            here, whole, size_bytes = self._here, self._whole, self._bytes
            self._here, self._whole, self._bytes = (0, 0), 0, 0
        if here[0]:
            self._reporter.staged(*here, cached=True)
        if whole or size_bytes:
            self._reporter.staged(whole, size_bytes)
