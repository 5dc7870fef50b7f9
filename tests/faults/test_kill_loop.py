"""Servers, nurseries, shims and container engines are killed under a stream of jobs: none is lost, none runs twice at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import rooms  # noqa: F401 - finds the parts of other rooms
from container_engine import container_engine, skip_unless_engines_can_be_started
from kill_loop import KillLoop
from slow_s3 import slow_s3

SEED = 20


@pytest.mark.timeout(300)
def test_every_accepted_job_has_its_one_end_whatever_is_killed(tmp_path: Path) -> None:
    with slow_s3() as s3:
        loop = KillLoop(tmp_path, SEED, s3)
        loop.run(15)
    assert not loop.wrong, (loop.summary(), loop.wrong)
    assert len(loop.clients.accepted) > 6, loop.summary()


@pytest.mark.timeout(300)
def test_jobs_in_containers_have_their_one_end_too_and_leave_no_container(tmp_path: Path) -> None:
    skip_unless_engines_can_be_started()
    with slow_s3() as s3, container_engine() as engine:
        loop = KillLoop(tmp_path, SEED, s3, engine)
        loop.run(6)
    assert not loop.wrong, (loop.summary(), loop.wrong)
    assert len(loop.clients.accepted) > 3, loop.summary()
