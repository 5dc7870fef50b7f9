"""The docker engine gets images: from a real registry, into a real container engine."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import docker_engine
import pytest
from docker_engine import DOCKER_HOST, IMAGE
from docker_registry import registry

from gadus.config import Settings
from gadus.core.errors import EngineUnavailable, ProgramUnusable
from gadus.engines.docker import Engine, Params
from gadus.testing.engines import Example, Told, program_of, ran

docker_image = docker_engine.docker_image
pytestmark = pytest.mark.usefixtures("docker_image")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Settings(data_dir=tmp_path, docker_host=DOCKER_HOST))


async def prepare(engine: Engine, image: str) -> Told:
    told = Told()
    await engine.prepare(program_of(Example(Params(Image=image))), told)
    return told


class HalfWay(Told):
    """Sets `reached` when more than `size_bytes` have come."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self.reached = asyncio.Event()

    def preparing(self, what: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        super().preparing(what, done_bytes, total_bytes)
        if done_bytes > self.size_bytes:
            self.reached.set()


async def test_image_that_is_here_is_not_pulled(engine: Engine) -> None:
    assert (await prepare(engine, IMAGE)).preparations == []


async def test_pull_tells_its_progress_and_the_image_runs(engine: Engine) -> None:
    """1. Half of every layer arrives. 2. The progress says so. 3. The rest arrives. 4. The image runs."""
    async with registry() as served:
        program, told = program_of(Example(Params(Image=served.image))), HalfWay(served.layers_bytes // 3)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(engine.prepare(program, told))
            await told.reached.wait()
            assert told.preparations[-1][1] < served.layers_bytes
            served.gate.set()
        size_bytes = served.layers_bytes
        assert told.preparations[0] == (f"pulling {served.image}", 0, 0)
        assert told.preparations[-1] == (f"pulling {served.image}", size_bytes, size_bytes)
        assert [done for _, done, _ in told.preparations] == sorted(done for _, done, _ in told.preparations)
        exit_code, heard = await ran(engine, program)
        assert (exit_code, heard.stdout) == (0, b"the image's own command\n")


async def test_many_who_want_an_image_pull_it_once(engine: Engine) -> None:
    async with registry() as served:
        served.gate.set()
        async with asyncio.TaskGroup() as group:
            told = [group.create_task(prepare(engine, served.image)) for _ in range(4)]
        assert sum(bool(task.result().preparations) for task in told) == 1
        assert served.manifests_served == 1


async def test_pull_that_is_cancelled_is_taken_up_by_the_next_in_line(engine: Engine) -> None:
    async with registry() as served:
        first = asyncio.create_task(prepare(engine, served.image))
        await served.asked.wait()
        second = asyncio.create_task(prepare(engine, served.image))
        first.cancel()
        await asyncio.wait([first])
        served.gate.set()
        async with asyncio.timeout(30):
            assert (await second).preparations


async def test_missing_tag_is_the_authors_error_and_names_what_is_here(engine: Engine) -> None:
    async with registry() as served:
        with pytest.raises(ProgramUnusable) as caught:
            await prepare(engine, served.image.removesuffix(":1") + ":2")
    assert f"{served.repository}:2" in caught.value.message
    with pytest.raises(EngineUnavailable) as caught_offline:
        await prepare(engine, f"127.0.0.1:1/{IMAGE}")
    assert IMAGE in caught_offline.value.hint


async def test_login_of_the_docker_command_is_used(engine: Engine) -> None:
    login = base64.b64encode(b"ada:secret word").decode()
    async with registry(login=login) as served:
        served.gate.set()
        with pytest.raises(ProgramUnusable, match=r"no basic auth|unauthorized") as caught:
            await prepare(engine, served.image)
        assert "docker login" in caught.value.hint
        logins_of_docker({f"127.0.0.1:{served.port}": {"auth": login}})
        assert (await prepare(engine, served.image)).preparations


def logins_of_docker(auths: dict[str, Any]) -> None:
    path = Path.home() / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": auths}))


@pytest.mark.parametrize("image", ["gadus.invalid/no/such:1", "127.0.0.1:1/no/such:1"])
async def test_registry_that_does_not_answer_can_be_tried_again(engine: Engine, image: str) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(EngineUnavailable, match=f"image {image} cannot be pulled now"):
            await prepare(engine, image)
