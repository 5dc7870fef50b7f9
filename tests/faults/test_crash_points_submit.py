"""A server is killed before its system calls while it accepts a job and follows it: the job is there once, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from crash_points import CrashPoints, tried

from parts import skip_without

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def _strace() -> None:
    if not shutil.which("strace"):
        skip_without("strace", "it is not installed", "install it: sudo apt-get install strace")


def test_job_is_accepted_once_or_not_at_all_wherever_its_server_is_killed(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    with points.running():
        tried(points.of_the_server, ("pwrite64",), 14)
        tried(points.of_the_server, ("fdatasync", "sendto", "rename", "unlink", "rmdir"), 3)
    assert not points.wrong
    assert points.killed["server"] >= 8
