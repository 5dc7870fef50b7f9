"""A data directory with very many jobs that wait: no node has the label that they ask for."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

from gadus.config import settings_from
from gadus.core.job import Job, Submitted
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec
from gadus.orchestrator.store import Change
from gadus.wiring import Parts, store_of

from .programs import wasm_job

_BATCH = 1000
_A_DAY_SECONDS = 86_400


def fill(data_dir: Path, jobs: int) -> None:
    """Put so many jobs into the store, as a server would that accepts them."""
    settings = settings_from(data_dir=str(data_dir))
    nowhere = wasm_job(Constraints=[{"Key": "nowhere", "Operator": "=", "Values": ["yes"]}])
    nowhere["Tasks"][0]["Timeouts"] = {"QueueTimeout": _A_DAY_SECONDS}
    spec = Parts(settings).checked(JobSpec.model_validate(nowhere))
    with store_of(settings) as store:
        for start in range(0, jobs, _BATCH):
            batch = [_submitted(spec) for _ in range(min(_BATCH, jobs - start))]
            if any(store.append_all([Change(None, job, (event,)) for job, event in batch])):
                raise RuntimeError("a job was not kept")


def _submitted(spec: JobSpec) -> tuple[Job, Submitted]:
    event = Submitted(at=time.time(), job_id=f"j-{uuid4()}", spec=spec)
    return decide(None, event)[0], event
