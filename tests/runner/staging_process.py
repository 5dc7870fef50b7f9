"""
One process of the cache's tests: stages objects and tells of each in a log.

Arguments: cache, log, name of the tree, number of objects, their size, seconds that each takes, and where to stop in the middle
of an object (-1: nowhere). With lines of such arguments on standard input it forks for each of them, because to start Python
takes longer than to stage; for each line it prints the process id, and when the process has ended its status.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

from staging import Told, body_of, found_in, items

from gadus.contracts import Slot
from gadus.runner.cache import Cache


class Logged(Told):
    """A report that is a line in a file for each whole object, and for each stretch that was written."""

    def __init__(self, log: str) -> None:
        super().__init__()
        self.handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(self, *words: object) -> None:
        os.write(self.handle, (" ".join(map(str, words)) + "\n").encode())


async def main(root: str, log: str, name: str, count: int, size_bytes: int, seconds: float, stop_at: int) -> None:
    report = Logged(log)

    def fill(slot: Slot) -> None:
        if not slot.claim():
            return
        report.tell("begin", slot.item.key, *(f"{offset}-{end}" for offset, end in slot.missing))
        body = body_of(slot.item)
        for offset, end in slot.missing:
            for start in range(offset, end, 1 << 20):
                part = body[start : min(start + (1 << 20), end)]
                if 0 <= stop_at <= start:
                    report.tell("stopping")
                    time.sleep(60)
                os.pwrite(slot.handle, part, start)
                slot.wrote(start, start + len(part))
        time.sleep(seconds)
        slot.whole()
        report.tell("whole", slot.item.key)

    async def fetch(slots: AsyncIterator[Slot]) -> None:
        async def work() -> None:
            async for slot in slots:
                await asyncio.to_thread(fill, slot)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(work())

    wanted = items(count, size_bytes)
    with ExitStack() as leases:
        cache = Cache(Path(root))
        tree = await cache.grow(found_in(wanted, page=20), name=lambda: name, fetch=fetch, report=report, leases=leases)
        report.tell("done", tree.objects, tree.fetched_objects, report.here_bytes, report.arrived_bytes)


def run(words: list[str]) -> None:
    asyncio.run(main(*words[:3], *map(int, words[3:5]), float(words[5]), int(words[6])))


def nursery() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(line.split())
            os._exit(0)
        os.write(1, b"%d\n" % child)
        os.write(1, b"%d\n" % os.waitpid(child, 0)[1])


if __name__ == "__main__":
    run(sys.argv[1:]) if sys.argv[1:] else nursery()
