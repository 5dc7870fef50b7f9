"""What would become of a job if it were run now: its inputs are listed and its engine is asked, but nothing is brought."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gadus.config import Settings
from gadus.contracts import Engine, Examined, Found, Program, Source
from gadus.core.errors import DiskFull, GadusError, InvalidSpec, ProgramUnusable
from gadus.core.job import Failure, Pin
from gadus.core.jobfile.decode import decode_params
from gadus.core.partition import InputParams
from gadus.core.plan import Amount, Placing, Plan, PlannedEngine, PlannedInput, PlannedRoom
from gadus.core.spec import InputSource, JobSpec, Task
from gadus.core.units import format_bytes
from gadus.manifests import Manifests

from .cache import Cache
from .execute import FindEngine
from .resolving import resolving
from .share import Share, parts_of
from .stage import FindSource

Told = Callable[[int, int], None]
"""Is told of so many more objects and bytes of the inputs."""


class Planner:
    """Looks ahead on this machine."""

    def __init__(
        self, settings: Settings, cache: Cache, manifests: Manifests, find_source: FindSource, find_engine: FindEngine
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._manifests = manifests
        self._find_source = find_source
        self._find_engine = find_engine

    async def plan(self, spec: JobSpec, placing: Placing, problems: Sequence[Failure], told: Told) -> Plan:
        """
        The plan of `spec`, with the `problems` known already and all further ones; no problem is raised.

        The manifests of the inputs are kept: when nothing changes until the job is run, it reads what was listed here.
        """
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._program(spec, told))
            listing = [
                group.create_task(self._input(spec, one, f"Tasks[0].InputSources[{number}]", told))
                for number, one in enumerate(spec.task.input_sources)
            ]
        engine, examined, modules = asking.result()
        inputs = [*(task.result() for task in listing), *modules]
        room = await asyncio.to_thread(self._room)
        found = [
            *problems,
            *_problems_of(inputs, {failure.message for failure in problems}),
            *(Failure(kind=ProgramUnusable.__name__, message=problem) for problem in examined.problems),
            *_problems_of_room(inputs, room),
        ]
        return Plan(spec, inputs, engine, placing, room, found)

    async def _program(self, spec: JobSpec, told: Told) -> tuple[PlannedEngine, Examined, list[PlannedInput]]:
        """The engine with what it says of the program, and the files that it needs for itself."""
        task = spec.task
        try:
            engine, params, needed = self._asked_of_engine(task)
        except InvalidSpec:
            # Told by whoever checked the spec.
            return PlannedEngine(task.engine.name, ready=False), Examined(ready=False), []
        with ExitStack() as leases:
            modules = []
            files: dict[str, Path] = {}
            for number, one in enumerate(needed):
                where = f"Tasks[0].Engine.Params, module {number + 1}"
                modules.append(await self._input(spec, one, where, told, is_program=True))
                pin = modules[-1].pin
                tree = await self._cache.tree(pin.digest, leases) if pin and pin.exact else None
                if tree is not None:
                    files[one.target] = tree.path
            examined = await engine.examine(_program(task, params, files))
        return PlannedEngine(task.engine.name, examined.ready, tuple(examined.notes)), examined, modules

    def _asked_of_engine(self, task: Task) -> tuple[Engine, BaseModel, Sequence[InputSource]]:
        engine, model = self._find_engine(task.engine.type)
        params = decode_params(model, task.engine.params, "Tasks[0].Engine.Params")
        return engine, params, engine.program_inputs(params, task)

    async def _input(
        self, spec: JobSpec, one: InputSource, where: str, told: Told, *, is_program: bool = False
    ) -> PlannedInput:
        target = f"the program {one.alias}".strip() if is_program else one.target
        planned = PlannedInput(target, one.source.name, is_program)
        try:
            source, model = self._find_source(one.source.type)
            params = decode_params(model, one.source.params, f"{where}.Source.Params")
            pin = await self._listed(one, source, params, told)
            cached, parts = await self._measured(pin, params, 1 if is_program else max(spec.count, 1))
        except GadusError as exc:
            return replace(planned, problem=Failure(kind=exc.kind, message=exc.message, hint=exc.hint))
        except OSError as exc:
            problem = Failure(
                kind=DiskFull.__name__,
                message=f"what was listed cannot be kept in {self._settings.manifests_dir}: {exc}",
                hint="free disk space, or choose another directory with --data-dir",
            )
            return replace(planned, problem=problem)
        return replace(planned, pin=pin, cached=cached, parts=parts)

    async def _listed(self, one: InputSource, source: Source[Any], params: InputParams, told: Told) -> Pin:
        pins: list[Pin] = []
        async with aclosing(resolving(source, params, one.target, self._manifests, pins.append)) as listing:
            async for found in listing:
                told(len(found.items), sum(max(item.size_bytes, 0) for item in found.items))
        pin = pins[0]
        self._manifests.remember({"type": one.source.name, "params": one.source.params}, pin.digest)
        return pin

    async def _measured(self, pin: Pin, params: InputParams, count: int) -> tuple[Amount, Sequence[Amount]]:
        """What of the input is cached, and what each part of it has."""
        given_up = threading.Event()
        measuring = asyncio.create_task(asyncio.to_thread(self._measure, pin, params, count, given_up))
        try:
            return await asyncio.shield(measuring)
        except asyncio.CancelledError:
            given_up.set()
            await asyncio.wait([measuring])
            raise

    def _measure(self, pin: Pin, params: InputParams, count: int, given_up: threading.Event) -> tuple[Amount, Sequence[Amount]]:
        shares = [Share(params, index, count) for index in range(count)]
        divided = any(not share.whole for share in shares)
        all_cached = pin.exact and all(self._cache.has(name) for name in {share.name(pin.digest) for share in shares})
        batches: Iterable[Found] = _until(given_up, self._manifests.read(pin.digest))
        counting = None
        if not all_cached and pin.exact:
            counting = _Counting(self._cache, batches)
            batches = counting
        parts = parts_of(params, count, batches) if divided else ()
        if counting is None:
            return Amount(pin.objects, pin.size_bytes) if all_cached else Amount(), parts
        if not divided:
            deque(batches, maxlen=0)
        return Amount(counting.objects, counting.size_bytes), parts

    def _room(self) -> PlannedRoom:
        used, limit = self._cache.state()
        return PlannedRoom(shutil.disk_usage(self._settings.cache_dir).free, used, limit)


class _Counting:
    """Batches passed on as they are; afterwards it is known how much of them was cached."""

    def __init__(self, cache: Cache, batches: Iterable[Found]) -> None:
        self._cache = cache
        self._batches = batches
        self.objects = 0
        self.size_bytes = 0

    def __iter__(self) -> Iterator[Found]:
        for found in self._batches:
            for item in found.items:
                here = self._cache.cached_bytes(found.location, (item,))
                self.objects += here > 0
                self.size_bytes += here
            yield found


def _until(given_up: threading.Event, batches: Iterable[Found]) -> Iterator[Found]:
    for found in batches:
        if given_up.is_set():
            return
        yield found


def _program(task: Task, params: BaseModel, files: Mapping[str, Path]) -> Program:
    """An execution that will never be."""
    return Program(
        execution_id="",
        job_id="",
        params=params,
        environment=task.env,
        files=files,
        cpu_cores=task.resources.cpu_cores,
        memory_bytes=task.resources.memory_bytes,
        network=task.network.type,
    )


def _problems_of(inputs: Sequence[PlannedInput], known: set[str]) -> Iterator[Failure]:
    for one in inputs:
        if one.problem is None:
            continue
        if one.problem.kind == InvalidSpec.__name__:
            # One a line; these name their field themselves, and most were told when the spec was checked.
            for line in one.problem.message.split("\n"):
                if line not in known:
                    yield one.problem.model_copy(update={"message": line})
        else:
            yield one.problem.model_copy(update={"message": f"{one.target}: {one.problem.message}"})


def _problems_of_room(inputs: Sequence[PlannedInput], room: PlannedRoom) -> Iterator[Failure]:
    """What one execution reads has to be here at the same time; all else could be evicted for it."""
    needed = sum(one.largest_part_bytes for one in inputs)
    on_disk = room.free_bytes + room.cache_used_bytes
    if needed > min(room.cache_limit_bytes, on_disk):
        yield Failure(
            kind=DiskFull.__name__,
            message=f"the inputs of one execution have {format_bytes(needed)}; the cache may hold "
            f"{format_bytes(room.cache_limit_bytes)}, and the disk has {format_bytes(room.free_bytes)} free",
            hint="name fewer objects, share them out with Partition, free disk space, or raise GADUS_CACHE_LIMIT",
        )
