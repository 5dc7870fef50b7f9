"""What the docker engine says of an image before it is pulled, asked of a real registry by a real engine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import docker_engine
import pytest
from docker_engine import DOCKER_HOST, IMAGE, connection
from docker_registry import registry

from gadus.config import Settings
from gadus.contracts import Examined
from gadus.core.spec import NetworkType
from gadus.engines.docker import Engine, Params
from gadus.testing.engines import Example, program_of

docker_image = docker_engine.docker_image
pytestmark = pytest.mark.usefixtures("docker_image")


async def examined(tmp_path: Path, image: str, docker_host: str = DOCKER_HOST) -> Examined:
    engine = Engine(Settings(data_dir=tmp_path / "data", docker_host=docker_host))
    return await engine.examine(program_of(Example(Params(Image=image))))


async def test_image_that_is_here_is_ready_with_its_size(tmp_path: Path) -> None:
    found = await examined(tmp_path, IMAGE)
    assert (found.ready, list(found.problems)) == (True, [])
    engine, image = found.notes
    assert engine.startswith(("Docker ", "Podman "))
    assert "MiB" in image


async def test_image_that_the_registry_has_would_be_pulled_and_is_not(tmp_path: Path) -> None:
    async with registry() as served:
        # The engine looks into the image's configuration, too, which the registry would hold back.
        served.gate.set()
        found = await examined(tmp_path, served.image)
        assert (found.ready, list(found.problems)) == (False, [])
        assert "would be pulled: its registry has sha256:" in found.notes[-1]
        async with connection() as docker:
            tags = [tag for image in await docker.images.list() for tag in image.get("RepoTags") or ()]
        assert served.image not in tags


async def test_image_that_the_registry_does_not_have_is_a_problem_with_a_way_out(tmp_path: Path) -> None:
    async with registry() as served:
        found = await examined(tmp_path, served.image.removesuffix(":1") + ":2")
    (problem,) = found.problems
    assert "cannot be pulled" in problem
    assert "check its name and tag" in problem
    assert not found.ready


async def test_login_is_used_to_ask(tmp_path: Path) -> None:
    login = base64.b64encode(b"user:secret").decode()
    async with registry(login=login) as served:
        served.gate.set()
        refused = await examined(tmp_path, served.image)
        assert "docker login" in refused.problems[0]
        config = Path.home() / ".docker" / "config.json"
        config.parent.mkdir()
        config.write_text(json.dumps({"auths": {f"127.0.0.1:{served.port}": {"auth": login}}}))
        allowed = await examined(tmp_path, served.image)
    assert (list(allowed.problems), "would be pulled" in allowed.notes[-1]) == ([], True)


async def test_registry_that_does_not_answer_could_not_be_asked(tmp_path: Path) -> None:
    found = await examined(tmp_path, "127.0.0.1:1/nobody/here:1")
    assert (found.ready, list(found.problems)) == (False, [])
    assert "its registry could not be asked" in found.notes[-1]


async def test_engine_that_is_not_there_is_a_problem_with_a_way_out(tmp_path: Path) -> None:
    found = await examined(tmp_path, IMAGE, docker_host=f"unix://{tmp_path}/nothing.sock")
    (problem,) = found.problems
    assert "no container engine answers" in problem
    assert "start Docker" in problem


async def test_network_that_cannot_be_given_is_a_problem(tmp_path: Path) -> None:
    engine = Engine(Settings(data_dir=tmp_path / "data", docker_host=DOCKER_HOST))
    program = program_of(Example(Params(Image=IMAGE)))
    limited = type(program)(program.execution_id, program.job_id, program.params, {}, network=NetworkType.HTTP)
    assert "not available yet" in (await engine.examine(limited)).problems[0]
