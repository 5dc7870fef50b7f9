"""What becomes of a run whose container engine is stopped, killed or restarted: never the program's failure."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from docker_engine import IMAGE
from own_engine import OwnEngine, own_engine

from gadus.config import Settings
from gadus.core.errors import EngineUnavailable
from gadus.engines.docker import Engine, Params
from gadus.testing.engines import Example, program_of, ran, running

LONGEST_SECONDS = 60.0


@pytest.fixture
async def daemon() -> AsyncIterator[OwnEngine]:
    # Its sockets have longer names than a test's own directory leaves room for.
    with tempfile.TemporaryDirectory(prefix="gd-", dir="/tmp", ignore_cleanup_errors=True) as room:
        async with own_engine(Path(room)) as engine:
            yield engine


def engine_of(daemon: OwnEngine, tmp_path: Path) -> Engine:
    return Engine(Settings(data_dir=tmp_path, docker_host=daemon.docker_host))


def shell(script: str) -> Example:
    return Example(Params(Image=IMAGE, Entrypoint=("/bin/sh", "-c"), Parameters=(script,)))


@pytest.mark.parametrize(
    "script",
    [
        "echo started; exec sleep 1000",
        "trap 'exit 0' TERM; echo started; while :; do :; done",
        "trap '' TERM; echo started; while :; do :; done",
    ],
    ids=["ends", "ends well", "deaf"],
)
async def test_program_that_a_stopping_engine_ends_is_not_its_authors_failure(
    daemon: OwnEngine, tmp_path: Path, script: str
) -> None:
    """1. A program runs. 2. The engine is told to stop, and ends its containers. 3. It goes."""
    engine = engine_of(daemon, tmp_path)
    program = program_of(shell(script))
    async with running(engine, program) as run:
        await daemon.end(signal.SIGTERM)
        with pytest.raises(EngineUnavailable) as caught:
            await asyncio.wait_for(run, LONGEST_SECONDS)
    assert (caught.value.can_retry, bool(caught.value.hint)) == (True, True)


async def test_killed_engine_is_told_and_its_orphan_goes_with_the_next_run(daemon: OwnEngine, tmp_path: Path) -> None:
    """1. The engine is killed; its container lives on. 2. It is started again. 3. The next program runs."""
    engine = engine_of(daemon, tmp_path)
    lost = program_of(shell("echo started; exec sleep 1000"))
    async with running(engine, lost) as run:
        await daemon.end(signal.SIGKILL)
        with pytest.raises(EngineUnavailable):
            await asyncio.wait_for(run, LONGEST_SECONDS)
        await daemon.start()
        assert await daemon.containers() == [f"/gadus-{lost.execution_id}"]
        exit_code, heard = await ran(engine, program_of(shell("echo next")))
    assert (exit_code, heard.stdout, await daemon.containers()) == (0, b"next\n", [])


async def test_orphan_of_a_killed_engine_is_swept_by_another_process(daemon: OwnEngine, tmp_path: Path) -> None:
    """1. The engine is killed. 2. It is started again. 3. A new process of the same installation sweeps."""
    lost = program_of(shell("echo started; exec sleep 1000"))
    async with running(engine_of(daemon, tmp_path), lost) as run:
        await daemon.end(signal.SIGKILL)
        await asyncio.wait([run])
    await daemon.start()
    await engine_of(daemon, tmp_path).sweep({lost.execution_id})
    assert await daemon.containers() == [f"/gadus-{lost.execution_id}"]
    await engine_of(daemon, tmp_path).sweep(())
    assert await daemon.containers() == []


async def test_programs_own_kill_is_its_own_exit_code(daemon: OwnEngine, tmp_path: Path) -> None:
    for script, code in {"kill -9 $$": 137, "kill -15 $$": 143}.items():
        exit_code, _ = await ran(engine_of(daemon, tmp_path), program_of(shell(script)))
        assert exit_code == code
