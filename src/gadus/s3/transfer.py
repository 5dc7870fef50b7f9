"""
Objects to files: many at once, large ones in parts, every answer checked against what was listed.

    slots ─▶ units (small objects and parts) ─▶ lanes ─▶ pwrite into each object's file ─▶ checked ─▶ whole

Slots are taken as lanes have room for them, so that a listing of any length needs little memory.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import NoReturn

from gadus.contracts import Slot

from .bucket import Bucket
from .diagnose import Question, explain
from .incoming import Beginning, Incoming
from .lanes import Lanes
from .listing import quoted
from .parts import Part, Refused

_AHEAD = 128
"""So many units wait for a lane beyond those that are in flight: a slot that waits holds an open file."""
_TOGETHER = 16
"""So many units are put at once: each time the lanes have to agree on who takes them."""
_MOST_REFUSALS = 5
"""So often a part may be refused by a service that then says it would give it."""


async def transfer(bucket: Bucket, slots: AsyncIterator[Slot], lanes: Lanes) -> None:
    """
    Fill every slot. The first error ends the rest; when this returns or raises, nothing touches the slots any more.

    Raises InputChanged, ChecksumMismatch, InputUnreadable, StorageUnavailable, OSError of the local disk.
    """
    going = Transfer(bucket, lanes, asyncio.get_running_loop())
    try:
        async with asyncio.TaskGroup() as group:
            # Beside the slots: the next of them may be long in coming.
            minding = group.create_task(going.mind())
            async for slot in slots:
                await going.take(slot)
            await going.finish()
            minding.cancel()
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    finally:
        await going.close()


class Transfer:
    """One transfer: its units in the lanes, and what became of them. The methods without `async` are the lanes'."""

    def __init__(self, bucket: Bucket, lanes: Lanes, loop: asyncio.AbstractEventLoop) -> None:
        self.bucket = bucket
        self.pace = lanes.pace
        self.ended = threading.Event()
        self._lanes = lanes
        self._loop = loop
        self._queue = lanes.open()
        self._taken: list[Beginning] = []
        """Not put yet: lanes take small ones many at a time."""
        self._lock = threading.Lock()
        self._open = 0
        """Units put and not done."""
        self._running: set[Part | Beginning] = set()
        self._followed: set[Incoming] = set()
        """Objects whose file a thread reads while it grows."""
        self._moved = asyncio.Event()
        self._wanted_moves = -1
        """Tell the loop when so few units are open: -1 for not at all."""
        self._trouble = asyncio.Event()
        self._failure: Exception | None = None
        self._refused: deque[Refused] = deque()
        self._answered_at = 0.0
        """When the service was last seen to answer what it had refused."""

    @property
    def open_units(self) -> int:
        """How many requests are under way or wait for a lane; at least 1."""
        return max(1, self._open)

    async def take(self, slot: Slot) -> None:
        """Begin with one more object; returns when there is room for the next."""
        self._taken.append(Beginning(self, slot))
        if len(self._taken) >= _TOGETHER:
            self._put_taken()
        elif len(self._taken) == 1:
            # As soon as the next slot is long in coming.
            self._loop.call_soon(self._put_taken)
        if self._open > self.pace.limit + _AHEAD:
            await self._until_open(self.pace.limit + _AHEAD // 2)

    async def finish(self) -> None:
        """Wait until every object is whole."""
        self._put_taken()
        await self._until_open(0)

    async def mind(self) -> NoReturn:
        """Raise the first failure; look into refusals, and try again what the service would now answer."""
        while True:
            await self._trouble.wait()
            self._trouble.clear()
            while self._refused and self._failure is None:
                await self._look_into(self._refused.popleft())
            if self._failure is not None:
                raise self._failure

    async def close(self) -> None:
        """End what still runs; no lane works for this transfer when this returns."""
        self.ended.set()
        self._lanes.close(self._queue)
        with self._lock:
            running, followed = list(self._running), list(self._followed)
        for one in running:
            one.stop()
        # First: a lane may be waiting for the digest of all that has come.
        for file in followed:
            file.give_up()
        # Not to be interrupted: a lane that still writes would write into somebody else's file.
        waiting = asyncio.create_task(self._until_idle())
        cancelled: asyncio.CancelledError | None = None
        while not waiting.done():
            try:
                await asyncio.wait([waiting])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def widen(self) -> None:
        """The pace allows more lanes than before."""
        self._lanes.widen()

    def checked(self, file: Incoming) -> None:
        """Nothing reads the file of this object any more."""
        with self._lock:
            self._followed.discard(file)

    def goes_on(self, file: Incoming, rest: Sequence[Part]) -> bool:
        """An object has one part, which the lane that asks brings itself, and `rest`; False when nobody wants it any more."""
        with self._lock:
            if self.ended.is_set():
                return False
            self._open += 1 + len(rest)
            if file.followed:
                self._followed.add(file)
        # Before objects that were found later, in the order of the file.
        self._lanes.put_first(self._queue, rest)
        return True

    def puts_back(self, part: Part) -> None:
        """A lane could not bring `part` now: it is to be tried again by any."""
        with self._lock:
            self._running.discard(part)
            if self.ended.is_set():
                self._loop.call_soon_threadsafe(self._moved.set)
                return
        self._lanes.put(self._queue, [part])

    def begins(self, part: Part | Beginning) -> bool:
        """A lane takes `part` up; False when nobody wants it any more."""
        with self._lock:
            if self.ended.is_set():
                return False
            self._running.add(part)
            return True

    def ends(self, part: Part | Beginning, failure: Exception | None) -> None:
        """A lane is done with `part`."""
        with self._lock:
            self._running.discard(part)
            if isinstance(failure, Refused):
                self._refused.append(failure)
            else:
                self._open -= 1
                self._failure = self._failure or failure
            moved = self._open <= self._wanted_moves or (self.ended.is_set() and not self._running)
            if moved:
                self._wanted_moves = -1
            # Within the lock: whoever sees that nothing runs any more may close the loop.
            if failure is not None:
                self._loop.call_soon_threadsafe(self._trouble.set)
            if moved:
                self._loop.call_soon_threadsafe(self._moved.set)

    def _put_taken(self) -> None:
        if self._taken and not self.ended.is_set():
            taken, self._taken = self._taken, []
            with self._lock:
                self._open += len(taken)
            self._lanes.put(self._queue, taken)

    async def _until_open(self, most: int) -> None:
        while True:
            self._moved.clear()
            with self._lock:
                # With a failure nobody waits for room: who minds the transfer is about to end it.
                if self._open <= most and self._failure is None:
                    return
                self._wanted_moves = most
            await self._moved.wait()

    async def _until_idle(self) -> None:
        while True:
            self._moved.clear()
            with self._lock:
                if not self._running:
                    return
            await self._moved.wait()

    async def _look_into(self, refused: Refused) -> None:
        """
        Raise the cause of a refusal, unless the service would now answer.

        Then it was of the moment, or there are new credentials, or the bucket has just been found in another region; and all
        that was refused until then, by the same cause, is only asked for again.
        """
        part = refused.part
        item = part.file.slot.item
        question = Question(key=item.key, version_id=item.version_id, listed=True)
        if part.refusals > _MOST_REFUSALS:
            raise await explain(self.bucket, question, refused.answer)
        if refused.asked_at >= self._answered_at:
            query = f"versionId={quoted(item.version_id)}" if item.version_id else ""
            again = await self.bucket.ask("GET", item.key, query=query, headers={"range": "bytes=0-0"})
            if not again.good:
                raise await explain(self.bucket, question, again)
            self._answered_at = time.monotonic()
        self._lanes.put(self._queue, [part])


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    # The others were cancelled because of the first: it is the one to show.
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
