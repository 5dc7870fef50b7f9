"""Lives of jobs, told event by event to the real lifecycle."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from gadus import plugins
from gadus.core.job import Ended, Event, Failure, Job, Outcome, Phase, PhaseEntered, Placed, Submitted, Unplaceable
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec

JOB_ID = "j-5b6f6c7e-3f0c-4d53-9a53-0d9b3b1c7f10"
MODULE = {"Source": {"Type": "inline", "Params": {"URL": "data:,x"}}, "Target": "/module"}


def job_document_of(**fields: Any) -> dict[str, Any]:
    """A job as clients send it."""
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {"EntryModule": MODULE}}}
    return {"Name": "the-job", "Type": "batch", "Count": 1, "Tasks": [task]} | fields


def job_spec(**fields: Any) -> JobSpec:
    return JobSpec.model_validate(job_document_of(**fields))


def plugin_params(kind: Literal["engine", "source"], name: str) -> type[BaseModel]:
    model: type[BaseModel] = plugins.load("engines" if kind == "engine" else "storage", name).Params
    return model


class Life:
    """One job and all that happened to it; each event a second after the one before."""

    def __init__(self, spec: JobSpec | None = None) -> None:
        self.events: list[Event] = []
        self.job: Job
        self.happened(Submitted(at=1.0, job_id=JOB_ID, spec=spec or job_spec()))

    @property
    def now(self) -> float:
        return float(len(self.events) + 1)

    def happened(self, event: Event) -> None:
        self.job, _ = decide(self.job if self.events else None, event)
        self.events.append(event)

    def place(self) -> str:
        """The execution that waits longest is placed; gives its id."""
        execution_id = self.job.vacancies[0].id
        self.happened(Placed(at=self.now, execution_id=execution_id, node="n-1"))
        return execution_id

    def enter(self, execution_id: str, phase: Phase) -> None:
        self.happened(PhaseEntered(at=self.now, execution_id=execution_id, phase=phase))

    def end(self, execution_id: str, outcome: Outcome) -> None:
        self.happened(Ended(at=self.now, execution_id=execution_id, outcome=outcome))

    def unplaceable(self, message: str) -> None:
        self.happened(Unplaceable(at=self.now, message=message))

    def error(self, message: str, *, kind: str = "ProgramUnusable", can_retry: bool = False) -> Outcome:
        return Outcome(error=Failure(kind=kind, message=message, hint="do it otherwise"), can_retry=can_retry)
