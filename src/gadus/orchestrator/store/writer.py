"""
Appends of many at once: one thread writes all that wait in one transaction, which costs one sync of the disk.

    append ─▶ queue (bounded) ─▶ thread: append_all ─▶ answers, each to its own
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Self

from gadus.core.errors import Bug, GadusError, StorageUnavailable
from gadus.core.job import Event, Job

from .contract import Change, Store

CHANGES_AT_ONCE = 256
_BUSY = 4
_GATHER_SECONDS = 0.01
"""Where so many are written together more will come: to sync the disk for each few costs all of them more than this pause."""
LARGEST_QUEUE = 4096
LONGEST_WAIT_SECONDS = 2.0
"""A store so far behind takes nothing new: whoever asks hears of it at once, while they can still go elsewhere or wait."""


@dataclass(slots=True, eq=False)
class _Waiting:
    change: Change
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[None]
    since: float = field(default_factory=time.monotonic)


class Writer:
    """Appends to `store` for all of this process, from event loops. At the end of its block all that waits is written."""

    def __init__(self, store: Store, took: Callable[[float], None] = lambda _: None) -> None:
        """`took` is told, in the thread that writes, of the seconds that each write takes."""
        self._store = store
        self._took = took
        self.kept_at = -math.inf
        """When the store was last known to be in order; -inf when it is not known to be."""
        self._queue: deque[_Waiting] = deque()
        self._under_way: list[_Waiting] = []
        self._written = 0
        """How many were written together the last time."""
        self._changed = Condition()
        self._is_closed = False
        self._thread = Thread(target=self._run, name="job store", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take nothing new, and wait until everything is written or refused."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    async def append(self, before: Job | None, after: Job, *events: Event, key: str = "") -> None:
        """
        Remember one change; it is durable when this returns.

        Raises Conflict as `Store.append_all`. Raises StorageUnavailable when the disk does not take it, and at once when the
        store is behind: nothing is kept. When cancelled before the writing began nothing is kept either, else it waits for
        the end of that.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(Change(before, after, events, key), loop, loop.create_future())
        with self._changed:
            self._refuse_if_behind()
            self._queue.append(waiting)
            self._changed.notify()
        try:
            await asyncio.shield(waiting.answer)
        except asyncio.CancelledError:
            if not self._taken_back(waiting):
                await _until_done(waiting.answer)
            raise

    def _refuse_if_behind(self) -> None:
        if self._is_closed:
            raise StorageUnavailable(
                "the job store is being closed", hint="try again when the server is back", retry_after_seconds=5
            )
        behind = self.behind_seconds
        if behind > LONGEST_WAIT_SECONDS or len(self._queue) >= LARGEST_QUEUE:
            raise StorageUnavailable(
                f"the job store is {behind:.1f} s behind, with {len(self._queue)} changes to write",
                hint="try again later; if this lasts, its disk is too slow or another process holds it",
                retry_after_seconds=max(1.0, round(behind)),
            )

    @property
    def behind_seconds(self) -> float:
        """How long what waits longest has waited to be written."""
        for waiting in (*self._under_way[:1], *self._queue):
            return time.monotonic() - waiting.since
        return 0.0

    def _taken_back(self, waiting: _Waiting) -> bool:
        with self._changed:
            if waiting not in self._queue:
                return False
            self._queue.remove(waiting)
            return True

    def _run(self) -> None:
        try:
            while batch := self._next():
                answers = self._answers([waiting.change for waiting in batch])
                self._written = len(batch)
                with self._changed:
                    self._under_way = []
                _tell(batch, answers)
        except BaseException:
            # A defect of ours must not leave anybody waiting for ever.
            with self._changed:
                self._is_closed = True
                left = [*self._under_way, *self._queue]
                self._queue.clear()
            _tell(left, [Bug("the thread that writes to the job store ended") for _ in left])
            raise

    def _next(self) -> list[_Waiting]:
        """What is to be written now; empty at the end."""
        if self._written >= _BUSY:
            time.sleep(_GATHER_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closed)
            self._under_way = [self._queue.popleft() for _ in range(min(len(self._queue), CHANGES_AT_ONCE))]
            return self._under_way

    def _answers(self, changes: Sequence[Change]) -> Sequence[GadusError | None]:
        started = time.monotonic()
        try:
            answers = self._store.append_all(changes)
        except (Bug, ValueError, TypeError, OverflowError) as error:
            if len(changes) == 1:
                return [Bug(f"job {changes[0].after.id} cannot be written: {error}")]
            # One that cannot be written at all is no reason to refuse the others.
            return [answer for change in changes for answer in self._answers([change])]
        except GadusError as error:
            self.kept_at = -math.inf
            # Each its own: an exception remembers who raised it.
            return [error, *(_same(error) for _ in changes[1:])]
        self.kept_at = time.monotonic()
        self._took(self.kept_at - started)
        return answers


def _same(error: GadusError) -> GadusError:
    copy = type(error)(error.message, hint=error.hint)
    if isinstance(error, StorageUnavailable) and isinstance(copy, StorageUnavailable):
        copy.retry_after_seconds = error.retry_after_seconds
    return copy


def _tell(batch: Sequence[_Waiting], answers: Sequence[GadusError | None]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, GadusError | None]]] = {}
    for waiting, answer in zip(batch, answers, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting, answer))
    for loop, answered in by_loop.items():
        # A loop that is closed has nobody who waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_set, answered)


def _set(answered: Sequence[tuple[_Waiting, GadusError | None]]) -> None:
    for waiting, answer in answered:
        if waiting.answer.done():
            continue
        if answer is None:
            waiting.answer.set_result(None)
        else:
            waiting.answer.set_exception(answer)


async def _until_done(answer: asyncio.Future[None]) -> None:
    while not answer.done():
        try:
            await asyncio.wait([answer])
        except asyncio.CancelledError:
            continue
    # Looked at, so that it is not reported as forgotten.
    answer.exception()
