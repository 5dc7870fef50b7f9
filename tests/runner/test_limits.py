"""A program has so much time and disk as its job says, and is ended with the grace that fits the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gadus.contracts import Examined, Mount, Output, Program, Reporter
from gadus.core.errors import DiskLimitExceeded, TimedOut
from gadus.core.spec import InputSource, Task
from gadus.runner import quota
from gadus.runner.limits import run_within_limits
from gadus.testing.engines import Heard


class Engine:
    """Runs a coroutine, and remembers which grace the program was given when it was cancelled."""

    def __init__(self, work: Callable[[], Awaitable[int]]) -> None:
        self._work = work
        self.own_bytes = 0
        self.graces: list[float] = []

    async def run(self, program: Program, output: Output) -> int:
        try:
            return await self._work()
        except asyncio.CancelledError:
            self.graces.append(program.grace_seconds())
            output.note("ended")
            raise

    async def own_disk_bytes(self, program: Program) -> int:
        return self.own_bytes

    def program_inputs(self, params: BaseModel, task: Task) -> Sequence[InputSource]:
        return ()

    async def examine(self, program: Program) -> Examined:
        return Examined(ready=True)

    async def prepare(self, program: Program, reporter: Reporter) -> None:
        return None

    async def sweep(self, keep: Container[str]) -> None:
        return None


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "LOOK_SECONDS", 0.01)


def task(**more: Any) -> Task:
    return Task.model_validate({"Name": "main", "Engine": {"Type": "docker"}, **more})


def program(*mounts: Mount) -> Program:
    return Program(execution_id="e-1", job_id="j-1", params=task(), environment={}, mounts=mounts)


async def forever() -> int:
    await asyncio.Event().wait()
    return 0


async def seven() -> int:
    return 7


async def test_program_within_its_limits_gives_its_exit_code() -> None:
    limited = task(Timeouts={"ExecutionTimeout": 100}, Resources={"Disk": "1MiB"})
    assert await run_within_limits(Engine(seven), program(), limited, Heard()) == 7
    assert await run_within_limits(Engine(seven), program(), task(), Heard()) == 7


async def test_program_that_took_too_long_has_time_to_save_what_it_has() -> None:
    engine, heard = Engine(forever), Heard()
    with pytest.raises(TimedOut, match="timed out after"):
        await run_within_limits(engine, program(), task(Timeouts={"ExecutionTimeout": 1}), heard)
    assert (engine.graces, heard.notes) == ([10.0], ["ended"])


async def test_program_that_a_person_stops_has_a_second() -> None:
    engine = Engine(forever)
    run = asyncio.create_task(run_within_limits(engine, program(), task(Timeouts={"ExecutionTimeout": 100}), Heard()))
    await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait([run])
    assert (run.cancelled(), engine.graces) == (True, [1.0])


async def test_disk_counts_in_results_and_in_the_engine_but_not_in_inputs(tmp_path: Path) -> None:
    mounts = [Mount(tmp_path / "inputs", "/inputs"), Mount(tmp_path / "outputs", "/outputs", writable=True)]
    for mount in mounts:
        mount.source.mkdir()

    async def write(name: str) -> int:
        (tmp_path / name / "file").write_bytes(b"x" * 2**20)
        return await forever()

    engine = Engine(lambda: write("outputs"))
    with pytest.raises(DiskLimitExceeded, match=r"512\.0 KiB"):
        await run_within_limits(engine, program(*mounts), task(Resources={"Disk": "512KiB"}), Heard())
    assert engine.graces == [1.0]

    engine = Engine(forever)
    engine.own_bytes = 2**20
    with pytest.raises(DiskLimitExceeded):
        await run_within_limits(engine, program(*mounts), task(Resources={"Disk": "512KiB"}), Heard())

    engine = Engine(lambda: write("inputs"))
    with pytest.raises(TimedOut):
        limited = task(Resources={"Disk": "512KiB"}, Timeouts={"ExecutionTimeout": 1})
        await run_within_limits(engine, program(*mounts), limited, Heard())
