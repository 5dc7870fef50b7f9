"""Parts of the cache's tests: objects whose bytes follow from their name, and fetches that really write them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from gadus.contracts import Found, Slot
from gadus.core.checksums import CRC64NVME, as_text, update
from gadus.core.manifest import Item
from gadus.runner.cache import Cache, Fetch, Tree
from gadus.threads import finished

LOCATION = "test://"


def body_of(item: Item) -> bytes:
    """The bytes of an object: any two have others."""
    seed = hashlib.sha256(f"{item.key} {item.etag}".encode()).digest()
    return (seed * (item.size_bytes // len(seed) + 1))[: item.size_bytes]


def item(path: str, size_bytes: int = 100, etag: str = "1") -> Item:
    return Item(key=f"k/{path}", path=path, size_bytes=size_bytes, etag=etag)


def items(count: int, size_bytes: int = 100, etag: str = "1") -> list[Item]:
    return [item(f"{number % 7}/{number:04}", size_bytes, etag) for number in range(count)]


def named(letter: str, count: int, size_bytes: int = 100) -> list[Item]:
    return [item(f"{letter}{number}", size_bytes) for number in range(count)]


async def found_in(all_items: Sequence[Item], directories: Sequence[str] = (), page: int = 10) -> AsyncIterator[Found]:
    yield Found(LOCATION, [], directories)
    for start in range(0, len(all_items), page):
        await asyncio.sleep(0)
        yield Found(LOCATION, all_items[start : start + page])


def crc_of(body: bytes) -> str:
    return as_text(CRC64NVME, update(CRC64NVME, body))


def sha256_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


async def claimed(slots: AsyncIterator[Slot]) -> Slot:
    """The next slot, for a fetch that does something else with it than fill it."""
    slot = await anext(slots)
    assert slot.claim()
    return slot


class Fetching:
    """A fetch that writes every object from a thread of its own, and remembers the keys of those that it brought."""

    def __init__(self, body: Callable[[Item], bytes] = body_of, digest: Callable[[bytes], str] = crc_of) -> None:
        self.fetched: list[str] = []
        self._body = body
        self._digest = digest

    async def __call__(self, slots: AsyncIterator[Slot]) -> None:
        async for slot in slots:
            # Not to_thread alone: when cancelled, that leaves a thread behind that goes on to write.
            await finished(self.fill, slot)

    def fill(self, slot: Slot) -> bool:
        """Bring the object, if nobody else does; whether it was so."""
        if not slot.claim():
            return False
        body = self._body(slot.item)
        for offset, end in slot.missing:
            part = memoryview(body)[offset : len(body) if end < 0 else end]
            written = 0
            # In steps: on a disk that is almost full a write is cut short before one fails.
            while written < len(part):
                written += os.pwrite(slot.handle, part[written:], offset + written)
            slot.wrote(offset, offset + len(part))
        self.fetched.append(slot.item.key)
        slot.whole(self._digest(body), compared=True)
        return True


class Told:
    """A report that adds up."""

    def __init__(self) -> None:
        self.here_objects = self.here_bytes = self.arrived_bytes = 0
        self.whole_keys: list[str] = []
        self._lock = threading.Lock()

    def here(self, objects: int, size_bytes: int) -> None:
        with self._lock:
            self.here_objects += objects
            self.here_bytes += size_bytes

    def arrived(self, size_bytes: int) -> None:
        with self._lock:
            self.arrived_bytes += size_bytes

    def whole(self, item: Item) -> None:
        with self._lock:
            self.whole_keys.append(item.key)


async def grow(
    cache: Cache,
    wanted: Sequence[Item],
    fetch: Fetch | None = None,
    *,
    name: str = "tree",
    directories: Sequence[str] = (),
    leases: ExitStack | None = None,
    report: Told | None = None,
    page: int = 10,
) -> Tree:
    """One input staged; its lease is given back at once unless there is a stack for it."""
    with ExitStack() as own:
        return await cache.grow(
            found_in(wanted, directories, page),
            name=lambda: name,
            fetch=fetch or Fetching(),
            report=report or Told(),
            leases=leases if leases is not None else own,
        )


def content_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def bodies(wanted: Iterable[Item]) -> dict[str, bytes]:
    return {one.path: body_of(one) for one in wanted}


def partials_in(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "partial").iterdir())


def objects_in(root: Path) -> list[Path]:
    return [path for path in (root / "objects").rglob("*") if path.is_file()]
