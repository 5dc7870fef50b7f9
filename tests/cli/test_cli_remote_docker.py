"""A container on a server is what it is on this machine: its output, exit code, inputs, results and its end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from docker_engine import DOCKER_HOST
from served import Ask, Server, ask, server  # noqa: F401 - fixtures

from gadus.engines._docker_client import connected

PLACES = [pytest.param({}, id="server"), pytest.param({"host": "none"}, id="here")]


@pytest.mark.parametrize("place", PLACES)
def test_streams_exit_code_environment_and_input_of_a_container(
    ask: Ask,  # noqa: F811
    server: Server,  # noqa: F811
    docker_image: str,
    place: dict[str, str],
) -> None:
    (server.here.directory / "words.txt").write_text("one two\n")
    flags = ["-e", "MODE=fast", "-i", "./words.txt", "--network", "none", "--memory", "64Mb"]
    words = [docker_image, "--", "sh", "-c", "cat /inputs/words.txt; echo $MODE >&2; exit 7"]
    done = ask("docker", "run", "--quiet", *flags, *words, **place)
    assert (done.code, done.out, done.err) == (7, b"one two\n", "fast\n")


@pytest.mark.parametrize("place", PLACES)
def test_results_of_a_container_are_fetched_and_it_can_be_run_again(
    ask: Ask,  # noqa: F811
    docker_image: str,
    place: dict[str, str],
    tmp_path: Path,
) -> None:
    words = ["--id-only", "-o", "made:/made", docker_image, "--", "sh", "-c", "echo made > /made/it; echo said"]
    done = ask("docker", "run", *words, **place)
    job_id = done.out.decode().strip()
    assert done.code == 0
    assert ask("job", "get", "--output-dir", str(tmp_path / "got"), job_id, **place).code == 0
    assert (tmp_path / "got" / "made" / "it").read_text() == "made\n"
    assert (tmp_path / "got" / "stdout").read_text() == "said\n"
    again = ask("job", "rerun", "--wait", "--quiet", job_id, **place)
    assert (again.code, again.out, again.err) == (0, b"said\n", "")


def test_image_that_is_not_there_is_told_as_here(ask: Ask, docker_image: str) -> None:  # noqa: F811
    missing = "localhost:9/gadus-no-such-image:1"
    planned = ask("plan", "docker", "run", docker_image)
    assert (planned.code, "docker: ready" in planned.out.decode()) == (0, True)
    done = ask("docker", "run", "--quiet", missing)
    assert done.code != 0
    assert missing in done.err


def test_container_of_a_job_that_is_stopped_is_gone(ask: Ask, docker_image: str) -> None:  # noqa: F811
    job_id = ask("docker", "run", "--no-wait", docker_image, "--", "sh", "-c", "echo begun; sleep 300").out.decode().strip()
    deadline = time.monotonic() + 60
    while b"begun" not in ask("job", "logs", job_id).out:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    execution = ask("job", "executions", "--json", job_id).document[0]["ID"]
    assert [name for name in asyncio.run(containers()) if execution in name]
    assert ask("job", "stop", job_id).code == 0
    assert not [name for name in asyncio.run(containers()) if execution in name]


async def containers() -> list[str]:
    """The names and labels of all there are."""
    async with connected(DOCKER_HOST) as docker:
        return [f"{one['Names']} {one['Labels']}" for one in await docker.containers.list(all=True)]
