"""Fixtures: a real server whose log is read line by line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from watched_server import WatchedServer, watched_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    """One for all tests of a module: each looks at what it did itself."""
    with watched_server(tmp_path_factory.mktemp("server")) as running:
        yield running
