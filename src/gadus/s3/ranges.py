"""
One prefix listed in several ranges at once: the objects, and their order, of a listing page after page.

    keys, by their UTF-8 bytes ─▶
    ├── emitted ──┤├ head ┤├─ range ─┤├────── range ──────┤├─ range ──▷
                   trusted     each asks page by page; what it found waits for its turn

A listing begins sequentially. Once it is long and slow, the ranges left of whose end most is missing are split in two.

Which chain is trusted: the one that began with the first page and followed the service's own tokens. Its range ends at the
first key above its bound. The page that holds this key also holds the first keys of the next range: when both found the
same, then the next range, which began with ``start-after``, continues the chain exactly, and is trusted from there on.
This needs no order of keys; it needs that ``start-after`` gives what follows a place in the service's own order.

Whatever is odd (keys not strictly increasing, two ranges that disagree, a range that fails) ends the ranges for good: what
was found beyond the trusted chain is dropped, and the chain goes on from its last page with that page's token.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from operator import lt
from statistics import median
from typing import Any

from gadus.core.errors import GadusError

from .keyspace import Keyspace
from .listing import Guard, Listed, Page

RANGES = 16
"""Requests at once, at most."""
SLOW_SECONDS = 0.020
"""A service that takes less for a page is listed sequentially: the time is not spent in waiting."""
WAITING_PAGES = 200
"""So many pages, of 1,000 objects each, are kept at most until it is their turn."""
_FIRST_PAGES = 3
# A split costs up to one LIST more: not for what two answers hold, and not more often than a bill may show.
_PAGES_WORTH_A_SPLIT = 3
_PAGES_A_SPLIT = 25
# Found by trying keys of nine kinds: with more, short listings wait; with less, the first ranges of long ones do.
_WAITING_PAGES_A_RANK = 6
_KEYS_TO_LEARN_FROM = 16

Ask = Callable[[str, str], Coroutine[Any, Any, Page]]
"""The page for a token, or the first one behind ``start-after``; one of both is empty. Raises GadusError."""


async def pages(
    ask: Ask, asked: str, prefix: str, *, ordered: Callable[[], bool] = lambda: True
) -> AsyncGenerator[list[Listed], None]:
    """
    Every object whose key begins with `prefix`, in the service's order; no list is empty, their sizes vary.

    `ordered` is asked after the first pages: whether the service is known to list in the order of bytes. Of one that is not
    the checks below would notice almost everything, and almost is not enough: it is listed sequentially.

    Costs at most two LISTs for each of `RANGES`, and one in 25, more than page after page; once more what was waiting, if
    something is odd. Errors name `asked`. Closing it, or cancelling who waits for it, leaves no request behind.
    Raises what `ask` raises, and StorageUnavailable for a listing that does not end well (see Guard).
    """
    guard = Guard(asked, prefix)
    async with aclosing(_pages(ask, asked, prefix, ordered)) as found:
        async for objects in found:
            guard.count(objects)
            if objects:
                yield objects


async def _pages(ask: Ask, asked: str, prefix: str, ordered: Callable[[], bool]) -> AsyncGenerator[list[Listed], None]:
    now = asyncio.get_running_loop().time
    head = _Range(Guard(asked, prefix))
    keyspace = Keyspace(_bytes_of(prefix))
    seconds: list[float] = []
    while len(seconds) < _FIRST_PAGES and not head.ended:
        began = now()
        page = await ask(head.token, "")
        seconds.append(now() - began)
        head.take(page, keyspace)
        yield head.waiting.popleft()
    if not head.ended and head.in_order and median(seconds) >= SLOW_SECONDS and ordered():
        ranges = _Ranges(ask, head, keyspace, lambda: Guard(asked, prefix))
        async with aclosing(ranges.pages()) as found:
            async for objects in found:
                yield objects
        head = ranges.head
        yield head.rest
    while head.token:
        page = await ask(head.token, "")
        head.guard.check(page)
        head.token = page.token
        yield page.objects


@dataclass(slots=True, eq=False)
class _Range:
    """Keys above those of the range before, up to `until`, found page by page. `rest` is what the last page held beyond."""

    guard: Guard
    start_after: str = ""
    until: bytes | None = None
    token: str = ""
    lowest: bytes = b""
    highest: bytes = b""
    first: list[Listed] | None = None
    rest: list[Listed] = field(default_factory=list)
    waiting: deque[list[Listed]] = field(default_factory=deque)
    taken: int = 0
    asking: bool = False
    ended: bool = False
    in_order: bool = True

    def __post_init__(self) -> None:
        self.highest = _bytes_of(self.start_after)

    def take(self, page: Page, keyspace: Keyspace) -> None:
        """The next page has come. Raises StorageUnavailable when the guard does; `in_order` tells whether to trust it."""
        self.guard.check(page)
        self.token = page.token
        self.taken += 1
        keys = [_bytes_of(one.key) for one in page.objects]
        self.in_order = self.in_order and all(map(lt, [self.highest, *keys], keys))
        if self.first is None and (keys or not page.token):
            self.first = page.objects
        within = len(keys)
        if self.until is not None and self.in_order:
            within = bisect_right(keys, self.until)
        self.waiting.append(page.objects[:within])
        self.rest = page.objects[within:]
        self.ended = bool(self.rest) or not page.token
        if within:
            self.lowest = self.lowest or keys[0]
            self.highest = keys[within - 1]
        keyspace.learn(islice(keys, 0, None, len(keys) // _KEYS_TO_LEARN_FROM + 1))

    def continues(self, other: _Range) -> bool:
        """Whether this range begins with what `other` found beyond its own end."""
        return bool(self.first) and all(mine.key == its.key for mine, its in zip(self.first or (), other.rest, strict=False))


class _Ranges:
    """
    The ranges of one listing, by their keys; the first is `head`, the trusted one.

    No coroutine runs for a range: each request is a task, and what comes next is decided whenever one has ended.
    """

    def __init__(self, ask: Ask, head: _Range, keyspace: Keyspace, new_guard: Callable[[], Guard]) -> None:
        self._ask = ask
        self._ranges = [head]
        self._keyspace = keyspace
        self._new_guard = new_guard
        self._asking: dict[asyncio.Task[Page], _Range] = {}
        self._taken = head.taken
        self._splits = 0

    @property
    def head(self) -> _Range:
        """The trusted range; when `pages` has ended, the listing goes on with its rest, then with its token."""
        return self._ranges[0]

    async def pages(self) -> AsyncGenerator[list[Listed], None]:
        """What the ranges found, in order, until the listing ends or something is odd."""
        # No TaskGroup: a generator must not leave one open while its caller does something else.
        try:
            while True:
                self._ask_more()
                if self.head.waiting:
                    yield self.head.waiting.popleft()
                    ended = {task for task in self._asking if task.done()}
                elif self._asking:
                    ended, _ = await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)
                else:
                    return
                fits = [self._take(task) for task in ended]
                if not all(fits) or not self._advance():
                    break
            while self.head.waiting:
                yield self.head.waiting.popleft()
        finally:
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)

    def _take(self, task: asyncio.Task[Page]) -> bool:
        """Whether the answer fits into its range. Raises what the trusted chain's request raised."""
        found = self._asking.pop(task)
        found.asking = False
        self._taken += 1
        try:
            found.take(task.result(), self._keyspace)
        except GadusError:
            if found is self.head:
                raise
            # Perhaps the service does not know start-after, or throttles; if it is more, the trusted chain meets it, too.
            return False
        return found.in_order

    def _advance(self) -> bool:
        """Whether all is well; ranges of which everything is emitted were left behind."""
        while not self.head.waiting and self.head.ended:
            if not self.head.rest:
                return False
            following = self._ranges[1]
            if following.first is None:
                return True
            if not following.continues(self.head):
                return False
            del self._ranges[0]
        return True

    def _ask_more(self) -> None:
        for one in self._with_room():
            if not one.asking and len(self._asking) < RANGES:
                self._send(one)
        while len(self._asking) < RANGES and self._splits < 2 * RANGES + self._taken // _PAGES_A_SPLIT:
            if not self._split():
                return

    def _send(self, one: _Range) -> None:
        one.asking = True
        self._asking[asyncio.create_task(self._ask(one.token, "" if one.token else one.start_after))] = one

    def _split(self) -> bool:
        """Whether the range with most left was split in two, and its second half asked for."""
        for one in sorted(self._with_room(), key=self._pages_left, reverse=True):
            if self._pages_left(one) < _PAGES_WORTH_A_SPLIT:
                return False
            middle = self._keyspace.between(one.highest, one.until)
            if middle is not None:
                second = _Range(self._new_guard(), start_after=middle, until=one.until)
                one.until = _bytes_of(middle)
                self._ranges.insert(self._ranges.index(one) + 1, second)
                self._splits += 1
                self._send(second)
                return True
        return False

    def _with_room(self) -> list[_Range]:
        """The ranges that have not ended and whose pages may be asked for; none behind the end of the listing."""
        found: list[_Range] = []
        left = WAITING_PAGES - len(self._asking) - sum(len(one.waiting) for one in self._ranges)
        for one in self._ranges:
            if not one.ended:
                found.append(one)
                # The further from its turn, the more room a range leaves to those before it.
                left -= _WAITING_PAGES_A_RANK
            elif not one.rest:
                break
            if found and left <= 0:
                break
        return found

    def _pages_left(self, one: _Range) -> float:
        """About how many pages are left in a range; 0 while it is unknown, so that each range is split once at a time."""
        at = self._ranges.index(one)
        if not one.lowest or (at + 1 < len(self._ranges) and self._ranges[at + 1].first is None):
            return 0
        number = self._keyspace.number
        here = number(one.highest)
        left = (number(one.until) - here) * one.taken / max(1, here - number(one.lowest))
        return left if one.until is not None else max(left, 2 * _PAGES_WORTH_A_SPLIT)


def _bytes_of(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")
