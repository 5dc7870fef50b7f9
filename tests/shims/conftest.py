from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from shim_server import Server

from gadus.shims.records import Records


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Makes servers of one directory. At the end nothing of them runs."""
    made: list[Server] = []

    def make() -> Server:
        made.append(Server(tmp_path))
        return made[-1]

    yield make
    for server in made:
        server.nursery.close()
    for path in (tmp_path / "shims").glob("*"):
        process = Records(tmp_path / "shims", path.name).process()
        if process is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def server(servers: Callable[[], Server]) -> Server:
    return servers()
