"""Fixtures: jobs of a data directory of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gadus.config import Settings, settings_from
from gadus.orchestrator.service import Service
from gadus.wiring import open_service


@pytest.fixture
def settings() -> Settings:
    return settings_from()


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    with open_service(settings) as opened:
        yield opened
