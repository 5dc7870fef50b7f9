"""Fixtures: a place for a new store, in a file and on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a new store is to be."""
    if request.param == "sqlite":
        return tmp_path / "data" / "gadus.db"
    url: str = request.getfixturevalue("postgres").database()
    return url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a new store is to be, in a file."""
    return tmp_path / "data" / "gadus.db"
