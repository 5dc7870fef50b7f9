"""Parts of the tests of the store: jobs, and steps of them, straight from the rules."""

from __future__ import annotations

from gadus.core.job import Ended, Event, Execution, Job, Outcome, Placed, StopRequested, Submitted
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec
from gadus.orchestrator.store import Change, Store

ENDED_WELL = Outcome(exit_code=0, receipt={"inputs": []})


def spec(name: str = "", *, count: int = 1, **fields: object) -> JobSpec:
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}}
    return JobSpec.model_validate({"Name": name, "Type": "batch", "Count": count, "Tasks": [task], **fields})


def submission(
    job_id: str, *, name: str = "", at: float = 1.0, attended: bool = False, key: str = "", count: int = 1, **fields: object
) -> Change:
    job, _ = decide(None, event := Submitted(at=at, job_id=job_id, spec=spec(name, count=count, **fields), attended=attended))
    return Change(None, job, (event,), key)


def step(job: Job, *events: Event) -> Change:
    after = job
    for event in events:
        after, _ = decide(after, event)
    return Change(job, after, events)


def kept(store: Store, change: Change) -> Job:
    """The job after a change that was kept."""
    store.append(change.before, change.after, *change.events, key=change.key)
    return change.after


def submit(store: Store, job_id: str, **fields: object) -> Job:
    return kept(store, submission(job_id, **fields))  # type: ignore[arg-type]


def place(store: Store, job: Job, node: str = "n") -> Job:
    return kept(store, step(job, Placed(at=2.0, execution_id=job.vacancies[0].id, node=node)))


def end(store: Store, job: Job, execution: Execution, outcome: Outcome = ENDED_WELL) -> Job:
    return kept(store, step(job, Ended(at=3.0, execution_id=execution.id, outcome=outcome)))


def stop(store: Store, job: Job) -> Job:
    return kept(store, step(job, StopRequested(at=4.0, reason="why")))
