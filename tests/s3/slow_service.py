"""A service in memory that takes its time, in virtual time: waiting costs nothing and is counted exactly."""

from __future__ import annotations

import asyncio
import random
import selectors
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gadus.s3 import ranges
from gadus.s3.listing import Listed, Page

T = TypeVar("T")
Order = Callable[[bytes], Any]

LATENCY_SECONDS = 0.1


class VirtualTime(selectors.DefaultSelector):
    """Waiting for a moment takes no time: the clock is set to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)
        self.now += max(timeout, 0)
        return super().select(0)


def in_virtual_time(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What `work` returns, and the seconds that it would have taken."""
    clock = VirtualTime()

    def loop() -> asyncio.AbstractEventLoop:
        made = asyncio.SelectorEventLoop(clock)
        made.time = lambda: clock.now  # type: ignore[method-assign]  # a loop has no other way to be given a clock
        return made

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work), clock.now


def as_bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def by_directory(key: bytes) -> Any:
    """SeaweedFS's order: all below a directory before what else begins with its name."""
    return key.split(b"/")


def by_letter(key: bytes) -> Any:
    return key.lower(), key


def backwards(key: bytes) -> Any:
    return [255 - byte for byte in key] + [256]


@dataclass
class Service:
    """A bucket in the service's order; `wrong` may spoil the answer to a start-after. It counts what it is asked."""

    keys: Sequence[str]
    page_keys: int = 1000
    order: Order = bytes
    seconds: Callable[[], float] = lambda: LATENCY_SECONDS
    wrong: Callable[[int], int] | None = None
    lists: int = 0
    at_once: int = 0
    most_at_once: int = 0
    places: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = sorted(self.keys, key=lambda key: self.order(as_bytes(key)))
        self.places = [self.order(as_bytes(key)) for key in self.keys]

    async def ask(self, token: str, start_after: str) -> Page:
        self.lists += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.seconds())
        finally:
            self.at_once -= 1
        first = int(token) if token else bisect_right(self.places, self.order(as_bytes(start_after))) if start_after else 0
        if start_after and self.wrong:
            first = self.wrong(first)
        found = [Listed(f"{key}", 1) for key in self.keys[first : first + self.page_keys]]
        beyond = first + self.page_keys
        return Page(found, str(beyond) if beyond < len(self.keys) else "")

    async def listed(self, prefix: str = "") -> list[str]:
        return [one.key async for page in ranges.pages(self.ask, "s3://b/", prefix) for one in page]


def counted(number: int) -> list[str]:
    return [f"data/part-{at:06}.parquet" for at in range(number)]


KINDS = {
    "counters": counted(100_000),
    "hashes": [f"{random.Random(at).getrandbits(128):032x}.bin" for at in range(100_000)],
    "bytes": [f"{at:05}{end}" for at in range(50_000) for end in ("\U0001f600", "\udcff")],
    "words": [f"{word}/{at:06}" for word in ("train", "test", "validation", "readme", "labels") for at in range(20_000)],
    "days": [f"y={at // 336}/m={at // 28 % 12 + 1:02}/d={at % 28 + 1:02}/{n:04}" for at in range(1000) for n in range(100)],
}
