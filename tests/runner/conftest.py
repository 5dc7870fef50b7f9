"""The cache that most of these tests begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from gadus.runner.cache import Cache


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(root: Path) -> Cache:
    return Cache(root)
