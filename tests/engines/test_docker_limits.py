"""What a container may have, and how it is ended: on a real container engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import docker_engine
import pytest
from docker_engine import DOCKER_HOST, IMAGE, cable, connection

from gadus.config import Settings
from gadus.contracts import Mount
from gadus.core.errors import DiskLimitExceeded, EngineUnavailable, OutOfMemory, ProgramUnusable
from gadus.core.placement import Gpu
from gadus.engines._docker_host import gpu_config
from gadus.engines.docker import Engine, Params
from gadus.runner.quota import disk_watched
from gadus.testing.engines import Example, Heard, Told, program_of, ran, running

docker_image = docker_engine.docker_image
needs_docker = pytest.mark.usefixtures("docker_image")
MIB = 2**20
LAST_WORDS = "trap 'echo bye; exit 5' TERM; echo started; while :; do sleep 0.05; done"
DEAF = "trap 'echo deaf' TERM; echo started; while :; do sleep 0.05; done"


def shell(script: str) -> Example:
    return Example(Params(Image=IMAGE, Entrypoint=("/bin/sh", "-c"), Parameters=(script,)))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Settings(data_dir=tmp_path / "data", docker_host=DOCKER_HOST))


# -- the end


async def stopped(engine: Engine, script: str, grace_seconds: float) -> bytes:
    """What the program printed when it is stopped after its first words."""
    program = replace(program_of(shell(script)), grace_seconds=lambda: grace_seconds)
    heard = Heard()
    await engine.prepare(program, Told())
    run = asyncio.create_task(engine.run(program, heard))
    await heard.started.wait()
    run.cancel()
    await asyncio.wait([run])
    assert run.cancelled()
    return heard.stdout


@needs_docker
async def test_stopped_program_is_asked_first_and_its_last_words_are_kept(engine: Engine) -> None:
    assert await stopped(engine, LAST_WORDS, 60.0) == b"started\nbye\n"


@needs_docker
async def test_program_that_does_not_end_in_its_grace_is_killed(engine: Engine) -> None:
    assert await stopped(engine, DEAF, 1.0) == b"started\ndeaf\n"


@needs_docker
async def test_no_grace_is_no_question(engine: Engine) -> None:
    assert await stopped(engine, LAST_WORDS, 0.0) == b"started\n"


@needs_docker
async def test_paused_program_is_stopped_too(engine: Engine) -> None:
    program = program_of(shell(DEAF))
    async with running(engine, program) as run, connection() as docker:
        await docker.containers.container(f"gadus-{program.execution_id}").pause()
        run.cancel()
        await asyncio.wait_for(asyncio.wait([run]), 20)
        assert run.cancelled()
        assert await docker.containers.list(all=True, filters={"label": [f"gadus.execution={program.execution_id}"]}) == []


@needs_docker
@pytest.mark.parametrize("number", ["KILL", "TERM"])
async def test_container_that_somebody_else_ends_is_not_the_programs_failure(engine: Engine, number: str) -> None:
    program = program_of(shell("echo started; sleep 1000"))
    async with running(engine, program) as run:
        async with connection() as docker:
            await docker.containers.container(f"gadus-{program.execution_id}").kill(signal=number)
        with pytest.raises(EngineUnavailable, match="from outside"):
            await asyncio.wait_for(run, 20)


@needs_docker
async def test_signal_that_does_not_end_a_program_is_nothing_to_tell(engine: Engine) -> None:
    program = program_of(shell("trap 'exit 3' HUP; echo started; while :; do sleep 0.05; done"))
    async with running(engine, program) as run:
        async with connection() as docker:
            await docker.containers.container(f"gadus-{program.execution_id}").kill(signal="HUP")
        assert await asyncio.wait_for(run, 20) == 3


@needs_docker
async def test_container_that_could_not_be_removed_goes_with_the_next_run(engine: Engine, tmp_path: Path) -> None:
    """1. The way to the engine is lost in a run. 2. It is there again. 3. The same engine runs the next program."""
    path = tmp_path / "cable.sock"
    far = Engine(Settings(data_dir=tmp_path / "data", docker_host=f"unix://{path}"))
    program = program_of(shell("echo started; sleep 1000"))
    async with cable(path) as way, running(far, program) as run:
        way.cut()
        with pytest.raises(EngineUnavailable):
            await asyncio.wait_for(run, 20)
    path.unlink(missing_ok=True)
    async with cable(path):
        await ran(far, program_of(shell("exit 0")))
    async with connection() as docker:
        assert await docker.containers.list(all=True, filters={"label": [f"gadus.execution={program.execution_id}"]}) == []


# -- limits


@needs_docker
async def test_fork_bomb_ends_at_the_limit_of_processes(engine: Engine) -> None:
    program = replace(program_of(shell("for n in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; echo all")), most_processes=6)
    exit_code, heard = await ran(engine, program)
    assert (exit_code != 0, heard.stdout) == (True, b"")


@needs_docker
async def test_out_of_memory_is_told_apart_from_every_other_kill(engine: Engine) -> None:
    greedy = program_of(shell("exec tail /dev/zero"), memory_bytes=32 * MIB)
    with pytest.raises(OutOfMemory):
        await ran(engine, greedy)
    exit_code, heard = await ran(engine, program_of(shell("kill -9 $$"), memory_bytes=32 * MIB))
    assert (exit_code, heard.notes) == (137, [])


@needs_docker
async def test_what_a_program_writes_into_its_container_counts_as_disk(engine: Engine, tmp_path: Path) -> None:
    script = "dd if=/dev/zero of=/big bs=1M count=8 2>/dev/null; echo started; sleep 1000"
    program = program_of(shell(script), mounts=[Mount(tmp_path, "/outputs", writable=True)])
    async with running(engine, program):
        assert 8 * MIB <= await engine.own_disk_bytes(program) < 9 * MIB


@needs_docker
async def test_program_beyond_its_disk_is_stopped(engine: Engine, tmp_path: Path) -> None:
    script = "dd if=/dev/zero of=/tmp/big bs=1M count=8 2>/dev/null; echo started; sleep 1000"
    program = program_of(shell(script))
    await engine.prepare(program, Told())
    with pytest.raises(DiskLimitExceeded, match=r"the limit is 4\.0 MiB"):
        async with disk_watched([tmp_path], 4 * MIB, lambda: engine.own_disk_bytes(program)):
            await engine.run(program, Heard())


# -- devices


def test_nvidia_devices_are_asked_for_by_their_numbers() -> None:
    gpus = [Gpu(index=0, name="A", vendor="NVIDIA"), Gpu(index=2, name="A", vendor="NVIDIA")]
    request = {"Driver": "nvidia", "DeviceIDs": ["0", "2"], "Capabilities": [["gpu"]]}
    assert gpu_config(gpus) == {"DeviceRequests": [request]}


def test_files_of_one_amd_device_are_given_and_not_those_of_its_neighbour(tmp_path: Path) -> None:
    by_path = tmp_path / "by-path"
    by_path.mkdir()
    for number, address in enumerate(["0000:03:00.0", "0000:04:00.0"]):
        for role, name in {"card": f"card{number}", "render": f"renderD{128 + number}"}.items():
            (tmp_path / name).touch()
            (by_path / f"pci-{address}-{role}").symlink_to(f"../{name}")
    gpu = Gpu(index=1, name="B", vendor="AMD/ATI", pci_address="0000:04:00.0")
    given = [device["PathOnHost"] for device in gpu_config([gpu], renderers=tmp_path)["Devices"]]
    assert given == ["/dev/kfd", str(tmp_path / "card1"), str(tmp_path / "renderD129")]


def test_intel_devices_that_cannot_be_told_apart_are_given_together() -> None:
    gpus = [Gpu(index=number, name="C", vendor="Intel") for number in range(2)]
    device = {"PathOnHost": "/dev/dri", "PathInContainer": "/dev/dri", "CgroupPermissions": "rwm"}
    assert gpu_config(gpus) == {"Devices": [device]}


def test_no_device_is_no_entry_and_a_strange_one_is_refused() -> None:
    assert gpu_config([]) == {}
    with pytest.raises(ProgramUnusable, match=r"GPU 3 \(Z\) is of Acme") as caught:
        gpu_config([Gpu(index=3, name="Z", vendor="Acme")])
    assert caught.value.hint


@needs_docker
async def test_device_files_reach_the_program(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A device of this machine that every machine has stands for the GPU's."""
    by_path = tmp_path / "by-path"
    by_path.mkdir()
    (by_path / "pci-0000:03:00.0-render").symlink_to("/dev/fuse" if Path("/dev/fuse").exists() else "/dev/null")
    monkeypatch.setattr("gadus.engines._docker_host.gpu_config", lambda gpus: gpu_config(gpus, renderers=tmp_path))
    program = replace(
        program_of(shell("ls -l /dev")), gpus=[Gpu(index=0, name="C", vendor="Intel", pci_address="0000:03:00.0")]
    )
    _, heard = await ran(engine, program)
    assert (by_path / "pci-0000:03:00.0-render").resolve().name.encode() in heard.stdout
