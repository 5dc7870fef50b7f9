"""Fixtures: the real command, with and without an S3 server."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import SECONDS, Cli

# The image that the engine's own tests make.
sys.path.append(str(Path(__file__).parents[1] / "engines"))
from docker_engine import docker_image  # noqa: F401 - a fixture, found by the line above

from gadus.testing.seaweedfs import S3Server


@pytest.fixture
def cli(tmp_path: Path, environment_of_its_own: Path) -> Iterator[Cli]:
    data_dir = tmp_path / "data"
    directory = tmp_path / "here"
    directory.mkdir()
    environment = {**os.environ, "GADUS_DATA_DIR": str(data_dir), "TERM": "xterm", "COLUMNS": "150"}
    running = Cli(data_dir, directory, environment)
    yield running
    for process in running.started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


@pytest.fixture
def s3_cli(cli: Cli, s3: S3Server) -> Cli:
    """The command with credentials and the address of the real S3 server."""
    cli.environment |= s3.environment()
    return cli


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits for a value that is true, and gives it."""

    def wait(look: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + SECONDS
        while not (seen := look()):
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.02)
        return seen

    return wait
