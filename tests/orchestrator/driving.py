"""Parts of the tests that drive jobs in process: jobs that run the probe, and a watcher that remembers."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from gadus.config import Settings
from gadus.contracts import Silent, Stream
from gadus.core.job import Execution, Job, Phase, Pin, State
from gadus.core.spec import JobSpec
from gadus.orchestrator.following import Unwatched
from gadus.orchestrator.service import Service
from s3_server import Bucket

PROBE = Path(__file__).parent.parent / "engines/wasm_programs/probe.wasm"


def spec(*arguments: str, inputs: tuple[dict[str, Any], ...] = (), count: int = 1, **task: Any) -> JobSpec:
    """A job of the probe, whose first argument says what it does."""
    module = f"data:application/wasm;base64,{base64.b64encode(PROBE.read_bytes()).decode()}"
    engine = {"EntryModule": {"Source": {"Type": "inline", "Params": {"URL": module}}, "Target": "/module"}}
    main = {
        "Name": "main",
        "Engine": {"Type": "wasm", "Params": {**engine, "Parameters": list(arguments)}},
        "InputSources": list(inputs),
        **task,
    }
    return JobSpec.model_validate({"Type": "batch", "Count": count, "Tasks": [main]})


def s3_input(bucket: Bucket, key: str = "d/", *, endpoint: str = "", target: str = "/in", **params: Any) -> dict[str, Any]:
    """An input from the bucket, through another `endpoint` when there is one."""
    where = {"Bucket": bucket.name, "Key": key, "Endpoint": endpoint or bucket.server.endpoint}
    return {"Source": {"Type": "s3", "Params": {**where, **params}}, "Target": target}


class Watching(Silent, Unwatched):
    """A watcher that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.said: dict[Stream, bytes] = dict.fromkeys(Stream, b"")
        self.phases: list[Phase] = []
        self.jobs: list[Job] = []
        self.pins: list[Pin] = []
        self.running = asyncio.Event()

    def reporter(self, execution: Execution) -> Watching:
        assert execution.state is State.RUNNING
        return self

    def changed(self, job: Job) -> None:
        self.jobs.append(job)

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
        self.phases.append(phase)

    def pinned(self, pin: Pin) -> None:
        self.pins.append(pin)

    def output(self, stream: Stream, data: bytes) -> None:
        self.said[stream] += data
        self.running.set()

    async def until_running(self, driving: asyncio.Task[Job]) -> None:
        """The program has written something. Raises what `driving` raises when that ends before."""
        waiting = asyncio.create_task(self.running.wait())
        await asyncio.wait([waiting, driving], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not self.running.is_set():
            raise AssertionError(f"the job ended before its program ran: {driving.result()}")


async def driven(service: Service, job_spec: JobSpec, watching: Watching | None = None) -> Job:
    """The job at its end."""
    return await service.drive(service.submit(job_spec).id, watching or Watching())


async def completed(service: Service, job_spec: JobSpec, watching: Watching | None = None) -> Job:
    """The job at its end, which must be a good one."""
    job = await driven(service, job_spec, watching)
    assert (job.state, job.message) == (State.COMPLETED, "")
    return job


def stdout_of(service: Service, job: Job) -> dict[int, list[str]]:
    """The lines that each part of an ended job wrote."""
    ended = [one for one in job.executions if one.state is State.COMPLETED]
    return {one.index: (service.results(job, one) / "stdout").read_text().splitlines() for one in ended}


def receipt_of(service: Service, job: Job, execution: Execution | None = None) -> dict[str, Any]:
    """The receipt beside an execution's results, which must be the one that is remembered with the job."""
    execution = execution or job.executions[0]
    told: dict[str, Any] = json.loads((service.results(job, execution) / "receipt.json").read_text())
    assert execution.outcome is not None
    assert execution.outcome.receipt == told
    return told


def records_of(service: Service, job: Job, execution: Execution | None = None) -> list[dict[str, Any]]:
    """What the receipt of the only input says of each object, by path."""
    execution = execution or job.executions[0]
    (asked,) = receipt_of(service, job, execution)["inputs"]
    lines = (service.results(job, execution) / asked["all_objects"]).read_text().splitlines()
    return sorted((json.loads(line) for line in lines), key=lambda line: str(line["path"]))


def leftovers(settings: Settings) -> list[Path]:
    """Whatever stands in the directories of work in progress."""
    work = (settings.executions_dir, settings.cache_dir / "partial", settings.data_dir / "drivers")
    return [path for directory in work if directory.exists() for path in directory.iterdir()]
