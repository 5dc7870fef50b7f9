"""A shim is killed before its system calls from its first to its last: its end is true, or it is lost and run again."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from crash_points import CALLS, CrashPoints, tried

from parts import skip_without

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def _strace() -> None:
    if not shutil.which("strace"):
        skip_without("strace", "it is not installed", "install it: sudo apt-get install strace")


def test_execution_has_its_true_end_or_is_run_again_wherever_its_shim_is_killed(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    with points.running():
        tried(partial(points.of_a_shim, alone=False), CALLS, 8)
    assert not points.wrong
    assert points.killed["shim"] >= 12


def test_next_server_tells_the_true_end_or_runs_it_again_wherever_its_shim_was_killed(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    with points.running():
        tried(partial(points.of_a_shim, alone=True), ("write", "fsync", "rename", "close"), 12)
    assert not points.wrong
    assert points.killed["shim"] >= 3
