"""How a tree fills: what is found goes past what is known, and the rest waits, a little of it, for who fetches."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from gadus.contracts import Found, Slot
from gadus.core.errors import Bug
from gadus.core.manifest import Item
from gadus.threads import finished

from .growing import Growing, Wanted

Fetch = Callable[[AsyncIterator[Slot]], Awaitable[None]]
"""Fills every slot it takes. No thread of it touches a slot any more when it returns or raises."""

_ITEMS_AT_ONCE = 1000
"""Linking so many takes about 10 ms."""
_MOST_ASIDE = 1000
_POLL_SECONDS = 0.05
_TRY_SECONDS = 0.5
_ROOM_POLL_SECONDS = 0.2


async def fill(growing: Growing, found: AsyncIterator[Found], fetch: Fetch) -> None:
    """
    Bring everything that is found into the tree, while more is being found.

    Raises whatever `found` and `fetch` raise, DiskFull, and OSError of the local disk.
    """
    missing: asyncio.Queue[Sequence[Wanted] | None] = asyncio.Queue(1)
    slots = _Slots(growing, missing)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_find(growing, found, missing))
            group.create_task(_fetch(growing, fetch, slots))
    except BaseExceptionGroup as failures:
        raise _first(failures) from None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    # The others were cancelled because of the first: it is the one to show.
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _find(growing: Growing, found: AsyncIterator[Found], missing: asyncio.Queue[Sequence[Wanted] | None]) -> None:
    try:
        async for some in found:
            growing.location = some.location
            await finished(growing.add_directories, some.directories)
            for start in range(0, len(some.items), _ITEMS_AT_ONCE):
                rest = await _not_here(growing, some.items[start : start + _ITEMS_AT_ONCE])
                if rest:
                    await missing.put(rest)
    finally:
        # Here, and not where it was made: what a generator has begun must end in the task that ran it.
        if isinstance(found, AsyncGenerator):
            await found.aclose()
    await missing.put(None)


async def _not_here(growing: Growing, items: Sequence[Item]) -> Sequence[Wanted]:
    """What of `items` has to be fetched, when there is room for it."""
    missing = await finished(growing.link_known, items)
    while missing and not await finished(growing.reserve, missing):
        await asyncio.sleep(_ROOM_POLL_SECONDS)
        # Those who have the room now may be fetching the same.
        missing = await finished(growing.link_known, [item for item, _ in missing])
    return missing


async def _fetch(growing: Growing, fetch: Fetch, slots: _Slots) -> None:
    # Where nothing is missing nobody is asked to fetch: that may cost a connection. Once more for what only turned out to be
    # with others when every slot was given out.
    while await slots.any():
        await fetch(slots)
        growing.check_filled()
        if not slots.at_end and await slots.any():
            raise Bug("the fetch ended before it had taken every slot")


class _Slots:
    """The slots of what is missing. Several tasks may take from it, and be cancelled."""

    def __init__(self, growing: Growing, missing: asyncio.Queue[Sequence[Wanted] | None]) -> None:
        self.at_end = False
        """Whether who fetches was told last that there are no more."""
        self._growing = growing
        self._missing = missing
        self._next: deque[Wanted] = deque()
        self._aside = growing.aside
        self._looked_at = 0.0
        self._tried_at = 0.0
        self._ended = False
        self._turn = asyncio.Lock()

    def __aiter__(self) -> AsyncIterator[Slot]:
        return self

    async def __anext__(self) -> Slot:
        # The usual case, without a turn: nothing to wait for, and nobody who waits.
        if self._next and not self._aside and not self._turn.locked():
            return self._growing.slot(*self._next.popleft())
        async with self._turn:
            self.at_end = not await self._has_next()
            if self.at_end:
                raise StopAsyncIteration
            return self._growing.slot(*self._next.popleft())

    async def any(self) -> bool:
        """Whether there is a slot now, or will be; waits until that is known."""
        async with self._turn:
            self.at_end = False
            return await self._has_next()

    async def _has_next(self) -> bool:
        while True:
            if self._aside and time.monotonic() - self._looked_at > _POLL_SECONDS:
                await finished(self._look_aside)
            elif self._next:
                return True
            elif self._ended and not self._aside:
                return False
            else:
                await self._more()

    def _look_aside(self) -> None:
        """See what has become of the objects that others bring: those that came, or whose process died, are next."""
        self._looked_at = time.monotonic()
        # Most often they come; to ask for a lock costs more, and who died is not missed at once.
        thorough = self._looked_at - self._tried_at > _TRY_SECONDS
        if thorough:
            self._tried_at = self._looked_at
        for _ in range(len(self._aside)):
            wanted = self._aside.popleft()
            free = self._growing.is_here(wanted[1]) or (thorough and self._growing.may_claim(wanted[1]))
            (self._next if free else self._aside).append(wanted)

    async def _more(self) -> None:
        """Wait for more that is missing; with objects aside, not for long."""
        if self._ended or len(self._aside) >= _MOST_ASIDE:
            await asyncio.sleep(_POLL_SECONDS)
            return
        try:
            async with asyncio.timeout(_POLL_SECONDS if self._aside else None):
                batch = await self._missing.get()
        except TimeoutError:
            return
        if batch is None:
            self._ended = True
        else:
            self._next.extend(batch)
