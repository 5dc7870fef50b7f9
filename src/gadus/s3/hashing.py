"""SHA-256 of a file while its parts arrive in any order: no second pass at the end."""

from __future__ import annotations

import asyncio
import hashlib
import os

_READ_BYTES = 1 << 20


class Hashing:
    """Follows the part of a file that is there without a gap from its beginning, one step behind the writers."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._digest = hashlib.sha256()
        self._hashed_bytes = 0
        self._ends: dict[int, int] = {}
        """Where each written stretch ends, by where it begins."""
        self._solid_bytes = 0
        self._step: asyncio.Task[None] | None = None

    def have(self, offset: int, size_bytes: int) -> None:
        """That stretch of the file is written."""
        self._ends[offset] = offset + size_bytes
        while (end := self._ends.pop(self._solid_bytes, None)) is not None:
            self._solid_bytes = end
        if self._solid_bytes > self._hashed_bytes and (self._step is None or self._step.done()):
            self._step = asyncio.create_task(self._catch_up())

    async def hex(self) -> str:
        """The digest of the whole file, which must be all there."""
        if self._step is not None:
            await self._step
        await self._catch_up()
        return self._digest.hexdigest()

    async def rest(self) -> None:
        """Return when nothing reads the file any more."""
        if self._step is not None:
            await asyncio.wait([self._step])

    async def _catch_up(self) -> None:
        while self._hashed_bytes < self._solid_bytes:
            end = self._solid_bytes
            await asyncio.to_thread(self._hash, self._hashed_bytes, end)
            self._hashed_bytes = end

    def _hash(self, offset: int, end: int) -> None:
        # Read back from the page cache: the parts are not kept in memory until their turn comes.
        while offset < end:
            data = os.pread(self._handle, min(_READ_BYTES, end - offset), offset)
            if not data:
                raise OSError(f"the file became shorter than {end} bytes while it was read")
            self._digest.update(data)
            offset += len(data)
