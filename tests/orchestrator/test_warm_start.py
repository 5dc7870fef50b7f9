"""What a job began with is known: its further executions cost the same for one object and for 100,000."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from driving import Watching, spec

from gadus.contracts import Found, Silent, Slot
from gadus.core.errors import InputChanged, InputUnreadable
from gadus.core.job import Execution, Job, Pin, Pinned, Submitted
from gadus.core.lifecycle import decide
from gadus.core.manifest import Item
from gadus.core.partition import InputParams
from gadus.manifests import Manifests
from gadus.runner.cache import Cache
from gadus.runner.pins import SharedPins
from gadus.runner.stage import Stage, StagedInput

MANY = 100_000
PAGE = 1000
PARTS = 1000
TURNS = 100
"""Of the event loop: until then both have come to where they wait."""


class Numbers:
    """A source of small objects, by number; it counts what it is asked."""

    Params = InputParams

    def __init__(self, objects: int = MANY) -> None:
        self.objects = objects
        self.listings = self.questions = self.fetched = 0
        self.generation = "1"
        self.may_read = True
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def resolve(self, params: InputParams) -> AsyncGenerator[Found]:
        del params
        self.listings += 1
        for start in range(0, self.objects, PAGE):
            await self.goes_on.wait()
            names = [f"{number // PAGE:03}/{number:06}" for number in range(start, start + PAGE)]
            yield Found("numbers://", [Item(f"n/{name}", name, 6, self.generation) for name in names])

    async def check_access(self, params: InputParams) -> None:
        del params
        self.questions += 1
        if not self.may_read:
            raise InputUnreadable("not yours")

    async def fetch(self, params: InputParams, slots: AsyncIterator[Slot]) -> None:
        del params
        async for slot in slots:
            if slot.claim():
                self.fetched += 1
                os.pwrite(slot.handle, slot.item.key[-6:].encode(), 0)
                slot.wrote(0, 6)
                slot.whole()


class Counting(Manifests):
    """Manifests that count how many batches of lines are read."""

    batches = 0

    def read(self, digest: str) -> Iterator[Found]:
        for found in super().read(digest):
            self.batches += 1
            yield found


class Node:
    """A machine that stages, with a cache and manifests on the disk below `root`; made anew, it is another process."""

    def __init__(self, root: Path, numbers: Numbers) -> None:
        self.manifests = Counting(root / "manifests")
        self.cache = Cache(root / "cache")
        self._stage = Stage(self.cache, self.manifests, SharedPins(root / "pins"), lambda _: (numbers, InputParams))
        self._private = Path(mkdtemp(dir=root))

    async def stage(self, job: Job, index: int = 0, reporter: Silent | None = None) -> StagedInput:
        """The only input of one execution of `job`."""
        execution = Execution(id=f"e-{index}", index=index, node="here", created_at=0, modified_at=0)
        with ExitStack() as leases:
            inputs = job.spec.task.input_sources
            (staged,) = await self._stage.stage(job, execution, inputs, self._private, reporter or Silent(), leases)
        return staged


def submitted(partition: dict[str, Any], count: int) -> Job:
    params = {"Partition": partition} if partition else {}
    asked = {"Source": {"Type": "numbers", "Params": params}, "Target": "/in"}
    job, _ = decide(None, Submitted(at=1.0, job_id="j-1", spec=spec("list", "/in", inputs=(asked,), count=count)))
    return job


def pinned(job: Job, pin: Pin) -> Job:
    return decide(job, Pinned(at=2.0, pin=pin))[0]


@pytest.fixture
def numbers() -> Numbers:
    return Numbers()


# Of the whole input fewer, because each has to be brought once; of 100,000 one part.
@pytest.mark.parametrize(
    ("objects", "partition", "count"), [(MANY // 10, {}, 1), (MANY, {"Type": "bytes"}, PARTS)], ids=["whole", "a part"]
)
async def test_further_execution_lists_nothing_and_reads_no_manifest(
    tmp_path: Path, objects: int, partition: dict[str, Any], count: int
) -> None:
    numbers = Numbers(objects)
    job = submitted(partition, count)
    watching = Watching()
    first = await Node(tmp_path, numbers).stage(job, reporter=watching)
    mine = objects // count
    assert (numbers.listings, numbers.questions, numbers.fetched) == (1, 0, mine)
    assert (first.pin.objects, len(first.pin.first)) == (objects, 20)
    assert watching.pins == [first.pin]

    node = Node(tmp_path, numbers)
    again = await node.stage(pinned(job, first.pin))
    assert (numbers.listings, numbers.questions, numbers.fetched) == (1, 1, mine)
    assert node.manifests.batches == 0
    assert (again.path, again.pin) == (first.path, first.pin)
    assert (again.tree.objects, again.tree.fetched_objects) == (mine, 0)


async def test_pinned_job_is_staged_from_its_manifest_also_by_the_other_parts(tmp_path: Path, numbers: Numbers) -> None:
    job = submitted({"Type": "object"}, PARTS)
    first = await Node(tmp_path, numbers).stage(job)
    numbers.generation = "2"
    other = await Node(tmp_path, numbers).stage(pinned(job, first.pin), index=1)
    assert (numbers.listings, numbers.questions) == (1, 1)
    assert other.pin == first.pin
    assert numbers.fetched == first.tree.objects + other.tree.objects
    names = [path.name for staged in (first, other) for path in staged.path.rglob("*") if path.is_file()]
    assert len(names) == len(set(names)) == numbers.fetched


async def test_pin_is_no_permission(tmp_path: Path, numbers: Numbers) -> None:
    job = submitted({"Type": "object"}, PARTS)
    first = await Node(tmp_path, numbers).stage(job)
    numbers.may_read = False
    with pytest.raises(InputUnreadable, match="not yours"):
        await Node(tmp_path, numbers).stage(pinned(job, first.pin))


async def test_lost_manifest_is_listed_once_more_and_must_be_the_same(tmp_path: Path, numbers: Numbers) -> None:
    job = submitted({"Type": "object"}, PARTS)
    first = await Node(tmp_path, numbers).stage(job)
    shutil.rmtree(tmp_path / "manifests")
    again = await Node(tmp_path, numbers).stage(pinned(job, first.pin))
    assert (numbers.listings, again.path, again.tree.fetched_objects) == (2, first.path, 0)
    shutil.rmtree(tmp_path / "manifests")
    numbers.generation = "2"
    with pytest.raises(InputChanged, match="not those that the job began with"):
        await Node(tmp_path, numbers).stage(pinned(job, first.pin))


async def test_executions_that_begin_together_list_once(tmp_path: Path, numbers: Numbers) -> None:
    node = Node(tmp_path, numbers)
    job = submitted({"Type": "object"}, PARTS)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(node.stage(job, index)) for index in range(3)]
    assert len({task.result().pin for task in tasks}) == 1
    assert (numbers.listings, numbers.questions) == (1, 0)
    assert numbers.fetched == sum(task.result().tree.objects for task in tasks)


async def test_when_who_lists_is_stopped_another_lists(tmp_path: Path, numbers: Numbers) -> None:
    """
    Two executions begin together.

    1. the first lists, the second waits for what it finds;
    2. the first is stopped;
    3. the second lists itself, and is staged.
    """
    node = Node(tmp_path, numbers)
    job = submitted({"Type": "object"}, PARTS)
    numbers.goes_on.clear()
    first = asyncio.create_task(node.stage(job, 0))
    second = asyncio.create_task(node.stage(job, 1))
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert numbers.listings == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    numbers.goes_on.set()
    assert (await second).pin.objects == MANY
    assert numbers.listings == 2
