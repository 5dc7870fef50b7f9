"""The docker engine, on a real container engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker_engine
import pytest
from docker_engine import DOCKER_HOST, IMAGE, cable, connection
from docker_registry import registry
from pydantic import ValidationError

from gadus.config import Settings
from gadus.contracts import Mount
from gadus.core.errors import EngineUnavailable, OutOfMemory, ProgramUnusable
from gadus.core.spec import NetworkType
from gadus.engines.docker import Engine, Params
from gadus.testing.engines import EngineSuite, Example, Heard, Told, program_of, ran, running
from parts import skip_without

docker_image = docker_engine.docker_image
pytestmark = pytest.mark.usefixtures("docker_image")


def shell(script: str, **more: Any) -> Example:
    return Example(Params(Image=IMAGE, Entrypoint=("/bin/sh", "-c"), Parameters=(script,), **more))


class TestConformance(EngineSuite):
    unavoidable = frozenset({"PATH", "HOME", "HOSTNAME", "OF_THE_IMAGE"})

    def make_engine(self, settings: Settings) -> Engine:
        return Engine(replace(settings, docker_host=DOCKER_HOST))

    def exits(self, code: int) -> Example:
        return shell(f"exit {code}")

    def prints(self, stdout: str, stderr: str) -> Example:
        return shell(f"printf '%s' '{stdout}'; printf '%s' '{stderr}' >&2")

    def prints_much(self, size_bytes: int) -> Example:
        return shell(f"exec head -c {size_bytes} /dev/zero")

    def prints_environment(self) -> Example:
        return Example(Params(Image=IMAGE, Parameters=("/bin/env",)))

    def reads(self, path: str) -> Example:
        return Example(Params(Image=IMAGE, Parameters=("/bin/cat", path)))

    def writes(self, path: str, text: str) -> Example:
        return shell(f"printf '%s' '{text}' > '{path}'")

    def allocates(self, size_bytes: int) -> Example:
        return shell(f"exec dd if=/dev/zero of=/dev/null bs={size_bytes} count=1")

    def copes(self, size_bytes: int) -> Example:
        # It goes on for a while: of what went well the engine is asked once, and it may hear of the kill later.
        return shell(f"dd if=/dev/zero of=/dev/null bs={size_bytes} count=1 2>/dev/null; sleep 1; exit 0")

    def runs_forever(self) -> Example:
        return shell("echo started; while true; do :; done")

    def ignores_the_end(self) -> Example:
        return shell("trap '' TERM; echo started; while true; do :; done")

    def unusable(self) -> Example:
        return Example(Params(Image=IMAGE, Parameters=("/bin/no-such-program",)))

    async def leftovers(self, execution_id: str) -> Sequence[str]:
        return await containers_of(execution_id)


async def containers_of(execution_id: str) -> list[str]:
    async with connection() as docker:
        found = await docker.containers.list(all=True, filters={"label": [f"gadus.execution={execution_id}"]})
        return [name for container in found for name in container["Names"]]


async def inspect(execution_id: str) -> dict[str, Any]:
    async with connection() as docker:
        return await docker.containers.container(f"gadus-{execution_id}").show()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, docker_host=DOCKER_HOST)


@pytest.fixture
def engine(settings: Settings) -> Engine:
    return Engine(settings)


# -- what a job may say


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        ({}, "invalid docker engine param: 'Image' cannot be empty"),
        ({"Image": "  "}, "invalid docker engine param: 'Image' cannot be empty"),
        ({"Image": "a/../../version?"}, "is not the name of an image"),
        ({"Image": "a", "WorkingDirectory": "x"}, "'WorkingDirectory' (\"x\") must contain absolute path"),
        ({"Image": "a", "EnvironmentVariables": ["A"]}, "('A') must be KEY=value"),
        ({"Image": "a", "EnvironmentVariables": ["=1"]}, "('=1') must be KEY=value"),
        ({"Image": "a", "Imgae": "b"}, "Imgae"),
    ],
)
def test_params_that_cannot_work_are_refused_by_name(wire: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Params.model_validate(wire)
    assert problem in str(caught.value)


def test_null_lists_are_empty_and_the_image_is_trimmed() -> None:
    wire = {"Image": " busybox:1 ", "Entrypoint": None, "Parameters": None, "EnvironmentVariables": None}
    assert Params.model_validate(wire) == Params(Image="busybox:1")


@pytest.mark.parametrize("name", ["ubuntu", "busybox:1.36", "localhost:5000/a/b_c__d:v1", "a@sha256:" + "0" * 64])
def test_names_of_images_are_accepted(name: str) -> None:
    assert Params(Image=name).image == name


# -- what the program gets


async def test_empty_params_leave_what_the_image_says(engine: Engine) -> None:
    exit_code, heard = await ran(engine, program_of(Example(Params(Image=IMAGE))))
    assert (exit_code, heard.stdout) == (0, b"the image's own command\n")


async def test_entrypoint_parameters_and_directory_are_those_of_the_job(engine: Engine) -> None:
    params = Params(
        Image=IMAGE, Entrypoint=("/bin/sh", "-c"), Parameters=('pwd; echo "$0" "$1"', "a b", "*"), WorkingDirectory="/new/dir"
    )
    _, heard = await ran(engine, program_of(Example(params)))
    assert heard.stdout == b"/new/dir\na b *\n"


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_any_number_of_environment_variables_is_seen(engine: Engine, count: int) -> None:
    variables = tuple(f"V{number}=value {number}" for number in range(count))
    params = Params(Image=IMAGE, Parameters=("/bin/env",), EnvironmentVariables=variables)
    _, heard = await ran(engine, program_of(Example(params)))
    assert [line for line in heard.stdout.decode().splitlines() if line.startswith("V")] == list(variables)


async def test_environment_of_the_task_wins_over_the_engines(engine: Engine) -> None:
    params = Params(
        Image=IMAGE, Parameters=("/bin/sh", "-c", "echo $A $B $OF_THE_IMAGE"), EnvironmentVariables=("A=engine", "B=engine")
    )
    _, heard = await ran(engine, program_of(Example(params), environment={"A": "task", "OF_THE_IMAGE": "task"}))
    assert heard.stdout == b"task engine task\n"


async def test_container_is_confined(engine: Engine, tmp_path: Path) -> None:
    mounts = [Mount(tmp_path, "/inputs"), Mount(tmp_path, "/outputs", writable=True)]
    forever = shell("echo started; while true; do :; done")
    program = replace(program_of(forever, mounts=mounts, memory_bytes=64 * 2**20), cpu_cores=0.5)
    async with running(engine, program):
        container = await inspect(program.execution_id)
    host = container["HostConfig"]
    assert (host["NetworkMode"], host["Privileged"], host["SecurityOpt"]) == ("none", False, ["no-new-privileges"])
    assert {"NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_CHROOT", "SETFCAP", "SETPCAP"} <= set(host["CapDrop"])
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (64 * 2**20, 64 * 2**20, 500_000_000)
    assert (host["PidsLimit"], host["Init"], host["LogConfig"]["Type"]) == (4096, True, "none")
    assert [(limit["Name"], limit["Hard"]) for limit in host["Ulimits"]] == [("core", 0)]
    assert {mount["Destination"]: mount["RW"] for mount in container["Mounts"]} == {"/inputs": False, "/outputs": True}
    assert container["Config"]["Labels"]["gadus.job"] == program.job_id


async def test_no_network_reaches_the_program(engine: Engine) -> None:
    _, heard = await ran(engine, program_of(shell("cat /proc/net/dev")))
    assert [line.split(":")[0].strip() for line in heard.stdout.decode().splitlines()[2:]] == ["lo"]


async def test_bridge_is_a_network_of_its_own_beside_that_of_the_host(engine: Engine) -> None:
    program = replace(program_of(shell("cat /proc/net/dev; cat /proc/net/route")), network=NetworkType.BRIDGE)
    try:
        _, heard = await ran(engine, program)
    except EngineUnavailable as exc:
        if "could not find bridge" not in exc.message:
            raise
        skip_without("a bridge of docker", exc.message, "restart dockerd: it makes its bridge when it starts")
    names = {line.split(":")[0].strip() for line in heard.stdout.decode().splitlines() if ":" in line}
    assert names == {"lo", "eth0"}
    # A way to everywhere.
    assert b"eth0\t00000000\t" in heard.stdout


async def test_full_network_is_the_hosts(engine: Engine) -> None:
    program = replace(program_of(shell("cat /etc/hosts; cat /proc/net/dev")), network=NetworkType.FULL)
    _, heard = await ran(engine, program)
    assert b"host.docker.internal" in heard.stdout
    interfaces = {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}
    assert interfaces <= {line.split(":")[0].strip() for line in heard.stdout.decode().splitlines()}


async def test_network_of_chosen_domains_is_refused_before_anything_is_pulled(engine: Engine) -> None:
    program = replace(program_of(Example(Params(Image="127.0.0.1:1/never/asked"))), network=NetworkType.HTTP)
    with pytest.raises(ProgramUnusable, match="not available yet"):
        await engine.prepare(program, Told())


# -- how the program ends


async def test_short_programs_never_lose_their_line(engine: Engine) -> None:
    for number in range(15):
        _, heard = await ran(engine, program_of(Example(Params(Image=IMAGE, Parameters=("/bin/echo", str(number))))))
        assert heard.stdout == f"{number}\n".encode()


async def test_streams_keep_the_order_of_the_writes(engine: Engine) -> None:
    script = "for n in 1 2 3 4 5; do echo $n; sleep 0.05; echo $n >&2; sleep 0.05; done"
    _, heard = await ran(engine, program_of(shell(script)))
    assert [(stream.value, int(data)) for stream, data in heard.chunks] == [
        (stream, number) for number in range(1, 6) for stream in ("stdout", "stderr")
    ]


async def test_program_that_closed_its_output_is_awaited(engine: Engine, tmp_path: Path) -> None:
    script = "exec >&- 2>&-; sleep 0.5; : > /outputs/late; exit 3"
    exit_code, _ = await ran(engine, program_of(shell(script), mounts=[Mount(tmp_path, "/outputs", writable=True)]))
    assert (exit_code, (tmp_path / "late").exists()) == (3, True)


async def test_process_left_in_the_background_ends_with_the_program(engine: Engine) -> None:
    program = program_of(shell("sleep 1000 & echo done"))
    async with asyncio.timeout(20):
        exit_code, heard = await ran(engine, program)
    assert (exit_code, heard.stdout, await containers_of(program.execution_id)) == (0, b"done\n", [])


async def test_child_that_ran_out_of_memory_does_not_fail_a_program_that_coped(engine: Engine) -> None:
    script = "dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null; echo survived"
    exit_code, heard = await ran(engine, program_of(shell(script), memory_bytes=64 * 2**20))
    assert (exit_code, heard.stdout) == (0, b"survived\n")


async def test_out_of_memory_names_the_limit_and_a_larger_one(engine: Engine) -> None:
    program = program_of(Example(Params(Image=IMAGE, Parameters=("/bin/tail", "/dev/zero"))), memory_bytes=16 * 2**20)
    with pytest.raises(OutOfMemory, match=r"16\.0 MiB") as caught:
        await ran(engine, program)
    assert "--memory 32MiB" in caught.value.hint


@pytest.mark.parametrize(("command", "reason"), [("no-such-program", "No such file"), ("/tmp", "Permission denied")])
async def test_command_that_cannot_start_is_named(engine: Engine, command: str, reason: str) -> None:
    program = program_of(Example(Params(Image=IMAGE, Entrypoint=(command,), Parameters=("argument",))))
    with pytest.raises(ProgramUnusable, match=f"cannot start the command '{command} argument': .*{reason}"):
        await ran(engine, program)
    assert await containers_of(program.execution_id) == []


async def test_command_not_found_by_the_programs_own_shell_is_an_exit_code(engine: Engine) -> None:
    exit_code, _ = await ran(engine, program_of(shell("no-such-program")))
    assert exit_code == 127


async def test_impossible_resources_are_the_authors_error(engine: Engine) -> None:
    with pytest.raises(ProgramUnusable, match="CPUs"):
        await ran(engine, replace(program_of(shell("exit 0")), cpu_cores=100_000))


async def test_container_left_by_a_crash_is_replaced(engine: Engine) -> None:
    """1. An execution runs. 2. Its process dies, the container stays. 3. The same execution is run again."""
    program = program_of(shell("echo new"))
    async with connection() as docker:
        left = {"Image": IMAGE, "Cmd": ["/bin/sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}
        await docker.containers.run(left, name=f"gadus-{program.execution_id}")
    exit_code, heard = await ran(engine, program)
    assert (exit_code, heard.stdout, await containers_of(program.execution_id)) == (0, b"new\n", [])


async def test_sweep_ends_what_a_crash_left_and_nothing_of_other_installations(engine: Engine, tmp_path: Path) -> None:
    mine, kept, foreign = (program_of(shell("echo started; sleep 1000")) for _ in range(3))
    other = Engine(Settings(data_dir=tmp_path / "other", docker_host=DOCKER_HOST))
    async with running(engine, mine) as run, running(engine, kept), running(other, foreign):
        await engine.sweep({kept.execution_id})
        assert await containers_of(mine.execution_id) == []
        assert len(await containers_of(kept.execution_id) + await containers_of(foreign.execution_id)) == 2
        with pytest.raises(EngineUnavailable, match="from outside"):
            await asyncio.wait_for(run, 10)


@pytest.mark.parametrize("request_line", [b"GET /version", b"/containers/create", b"/attach", b"/start", b"/wait"])
async def test_stop_while_the_container_starts_leaves_none(tmp_path: Path, request_line: bytes) -> None:
    """1. A request is on its way to the engine. 2. The run is cancelled. 3. The engine carries the request out."""
    async with cable(tmp_path / "cable.sock") as way:
        engine = Engine(Settings(data_dir=tmp_path, docker_host=way.docker_host))
        program = program_of(shell("sleep 1000"))
        run = asyncio.create_task(engine.run(program, Heard()))
        await way.carried(request_line)
        run.cancel()
        await asyncio.wait([run])
        assert (run.cancelled(), await containers_of(program.execution_id)) == (True, [])


async def test_stop_twice_still_waits_until_the_container_is_gone(tmp_path: Path) -> None:
    """1. The run is cancelled. 2. The removal is on its way. 3. The run is cancelled again."""
    async with cable(tmp_path / "cable.sock") as way:
        engine = Engine(Settings(data_dir=tmp_path, docker_host=way.docker_host))
        program = program_of(shell("echo started; sleep 1000"))
        async with running(engine, program) as run:
            run.cancel()
            await way.carried(b"DELETE ")
            run.cancel()
            await asyncio.wait([run])
            assert (run.cancelled(), await containers_of(program.execution_id)) == (True, [])


# -- when the engine is not there


async def test_engine_that_is_not_there_is_said_with_its_address_and_a_way_out(tmp_path: Path) -> None:
    engine = Engine(Settings(data_dir=tmp_path, docker_host=f"unix://{tmp_path}/dead.sock"))
    with pytest.raises(EngineUnavailable, match=r"dead\.sock") as caught:
        await engine.prepare(program_of(shell("")), Told())
    assert caught.value.message == f"no container engine answers at unix://{tmp_path}/dead.sock: No such file or directory"
    assert "systemctl start docker" in caught.value.hint


@pytest.mark.parametrize("docker_host", ["ssh://somewhere", "/run/docker.sock", "tcp://127.0.0.1:1"])
async def test_unusable_docker_host_is_named(tmp_path: Path, docker_host: str) -> None:
    engine = Engine(Settings(data_dir=tmp_path, docker_host=docker_host))
    with pytest.raises(EngineUnavailable, match=docker_host):
        await engine.prepare(program_of(shell("")), Told())


async def test_server_that_is_no_engine_is_not_taken_for_one(tmp_path: Path) -> None:
    async with registry() as stranger:
        engine = Engine(Settings(data_dir=tmp_path, docker_host=f"tcp://127.0.0.1:{stranger.port}"))
        with pytest.raises(EngineUnavailable, match=str(stranger.port)):
            await engine.sweep(())


async def test_engine_that_goes_away_during_the_run_is_not_the_programs_failure(engine: Engine, tmp_path: Path) -> None:
    async with cable(tmp_path / "cable.sock") as way:
        far = Engine(Settings(data_dir=tmp_path, docker_host=way.docker_host))
        program = program_of(shell("echo started; sleep 1000"))
        async with running(far, program) as run:
            way.cut()
            with pytest.raises(EngineUnavailable, match=r"cable\.sock"):
                await asyncio.wait_for(run, 10)
    await engine.sweep(())
    assert await containers_of(program.execution_id) == []
