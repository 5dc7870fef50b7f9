"""What every test gets: a home of its own, no way to somebody's credentials, and an honest end of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from parts import missing_parts

MOST_WORKERS = 4

pytest_plugins = ["s3_server", "faultproxy", "hostile_s3"]


def pytest_configure() -> None:
    # Also before the first test: the metadata service of a cloud machine must never be asked.
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # How long an example takes is no property of it: other tests run at the same time.
    settings.register_profile("neighbours", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("neighbours")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many tests run at a time with ``-n auto``: even on one core, for many only wait."""
    return max(2, min(os.cpu_count() or 1, MOST_WORKERS))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    # Outermost, so that these are the last lines above the result.
    yield
    for line in missing_parts(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(line, red=True, bold=True)


@pytest.fixture(autouse=True)
def environment_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has an empty home; nothing of the user's settings, caches or credentials is seen."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("AWS_", "BACALHAU_", "GADUS_", "XDG_")) and name != "GADUS_REQUIRE_ALL_PARTS":
            monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GADUS_DATA_DIR", str(home / "gadus"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "aws-credentials"))
    return home
