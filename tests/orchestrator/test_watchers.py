"""A watcher that breaks is a defect of ours: it ends the job and is raised, and nothing goes on in the background."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from driving import Watching, driven, leftovers, s3_input, spec

from gadus.config import Settings
from gadus.core.job import State
from gadus.orchestrator.service import Service
from s3_server import Bucket

SECONDS = 20


class BrokenWatcherError(Exception):
    """What the watcher raises."""


def breaking(method: str) -> Watching:
    """A watcher that raises whenever `method` is called."""

    def fail(*_: Any, **__: Any) -> None:
        raise BrokenWatcherError(method)

    watching = Watching()
    setattr(watching, method, fail)
    return watching


@pytest.mark.usefixtures("s3_environment")
@pytest.mark.parametrize(
    "method", ["reporter", "changed", "phase", "found", "pinned", "found_whole", "staged", "preparing", "prepared", "output"]
)
async def test_broken_watcher_ends_the_job_and_is_raised(
    service: Service, settings: Settings, bucket: Bucket, method: str
) -> None:
    bucket.put("d/a", b"a")
    async with asyncio.timeout(SECONDS):
        with pytest.raises(BrokenWatcherError, match=method):
            await driven(service, spec("much", "100000", inputs=(s3_input(bucket),), count=3), breaking(method))
    (job,) = service.jobs(limit=2)
    assert (job.state, job.live) == (State.FAILED, ())
    assert f"BrokenWatcherError: {method}" in job.message
    assert leftovers(settings) == []
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}
