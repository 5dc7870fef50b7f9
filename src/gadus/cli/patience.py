"""How long a server that does not answer is asked again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gadus.core.errors import Busy, Unavailable

Answer = TypeVar("Answer")

_FIRST_SECONDS = 0.2
_LONGEST_SECONDS = 2.0


class Patience:
    """Shared by all who ask one server: `told` is called once each time it begins to be away."""

    def __init__(self, told: Callable[[Unavailable], None], *, seconds: float) -> None:
        """A server that was away for longer than `seconds` is given up."""
        self._told = told
        self._seconds = seconds
        self._away_since: float | None = None
        self._pause = _FIRST_SECONDS

    async def asked(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, asked for until there is one. Raises Unavailable when the server is away for too long."""
        while True:
            try:
                answer = await question()
            except Unavailable as exc:
                await self.lost(exc)
                continue
            self.found()
            return answer

    def found(self) -> None:
        """The server answers."""
        self._away_since, self._pause = None, _FIRST_SECONDS

    async def lost(self, error: Unavailable) -> None:
        """Wait before the next try. Raises `error` when it is time to give up."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
            self._told(error)
        if now - self._away_since >= self._seconds:
            raise error
        wanted = error.retry_after_seconds if isinstance(error, Busy) else 0.0
        await asyncio.sleep(max(self._pause, min(wanted, self._seconds)))
        self._pause = min(self._pause * 1.5, _LONGEST_SECONDS)
