"""A program has so much time and disk as its job says, and is ended with the grace that fits the reason."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gadus.config import Settings
from gadus.contracts import Mount, Output, Program, Stream
from gadus.core.errors import DiskLimitExceeded, TimedOut
from gadus.engines import wasm
from gadus.runner import quota
from gadus.runner.limits import run_within_limits
from gadus.testing.engines import Heard
from wasm_probe import example, task

KIB = 2**10


class Engine(wasm.Engine):
    """The real one, which also remembers the grace that a program had when its run was cancelled."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.own_bytes = 0
        self.graces: list[float] = []

    async def run(self, program: Program, output: Output) -> int:
        try:
            return await super().run(program, output)
        except asyncio.CancelledError:
            self.graces.append(program.grace_seconds())
            raise

    async def own_disk_bytes(self, program: Program) -> int:
        # As an engine whose programs have a disk of their own.
        return self.own_bytes


class Writing(Heard):
    """Writes a file as soon as the program says that it runs."""

    def __init__(self, file: Path, size_bytes: int) -> None:
        super().__init__()
        self._file = file
        self._size_bytes = size_bytes

    def write(self, stream: Stream, data: bytes) -> None:
        super().write(stream, data)
        self._file.write_bytes(b"x" * self._size_bytes)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "LOOK_SECONDS", 0.01)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Settings(data_dir=tmp_path / "data"))


@pytest.fixture
def mounts(tmp_path: Path) -> tuple[Mount, Mount]:
    """An input and a result."""
    for name in ("inputs", "outputs"):
        (tmp_path / name).mkdir()
    return Mount(tmp_path / "inputs", "/inputs"), Mount(tmp_path / "outputs", "/outputs", writable=True)


def program(*arguments: str, mounts: tuple[Mount, ...] = ()) -> Program:
    asked = example(*arguments)
    return Program(execution_id="e-1", job_id="j-1", params=asked.params, environment={}, files=asked.files, mounts=mounts)


def limited(seconds: int = 0, disk: str = "") -> Any:
    return task(Timeouts={"ExecutionTimeout": seconds}, Resources={"Disk": disk})


async def test_program_within_its_limits_gives_its_exit_code(engine: Engine) -> None:
    assert await run_within_limits(engine, program("exit", "7"), limited(100, "1MiB"), Heard()) == 7
    assert await run_within_limits(engine, program("exit", "7"), limited(), Heard()) == 7


async def test_program_that_took_too_long_has_time_to_save_what_it_has(engine: Engine) -> None:
    heard = Heard()
    with pytest.raises(TimedOut, match="timed out after"):
        await run_within_limits(engine, program("forever"), limited(1), heard)
    assert (engine.graces, heard.stdout) == ([10.0], b"running\n")


async def test_program_that_a_person_stops_has_a_second(engine: Engine) -> None:
    heard = Heard()
    run = asyncio.create_task(run_within_limits(engine, program("forever"), limited(100), heard))
    async with asyncio.timeout(30):
        await heard.started.wait()
    run.cancel()
    await asyncio.wait([run])
    assert (run.cancelled(), engine.graces) == (True, [1.0])


async def test_disk_counts_in_results(engine: Engine, mounts: tuple[Mount, Mount]) -> None:
    writing = Writing(mounts[1].source / "file", 1024 * KIB)
    with pytest.raises(DiskLimitExceeded, match=r"512\.0 KiB"):
        await run_within_limits(engine, program("forever", mounts=mounts), limited(60, "512KiB"), writing)
    assert engine.graces == [1.0]


async def test_disk_counts_also_when_the_program_ends_before_the_next_look(
    engine: Engine, mounts: tuple[Mount, Mount], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "LOOK_SECONDS", 1000)
    writes = program("write", "/outputs/file", "x" * 64 * KIB, mounts=mounts)
    assert await run_within_limits(engine, writes, limited(60, "128KiB"), Heard()) == 0
    again = program("write", "/outputs/more", "x" * 64 * KIB, mounts=mounts)
    with pytest.raises(DiskLimitExceeded):
        await run_within_limits(engine, again, limited(60, "32KiB"), Heard())


async def test_disk_counts_in_the_engine(engine: Engine, mounts: tuple[Mount, Mount]) -> None:
    engine.own_bytes = 1024 * KIB
    with pytest.raises(DiskLimitExceeded):
        await run_within_limits(engine, program("forever", mounts=mounts), limited(60, "512KiB"), Heard())


async def test_disk_does_not_count_in_inputs(engine: Engine, mounts: tuple[Mount, Mount]) -> None:
    writing = Writing(mounts[0].source / "file", 1024 * KIB)
    with pytest.raises(TimedOut):
        await run_within_limits(engine, program("forever", mounts=mounts), limited(1, "512KiB"), writing)
