"""Jobs as documents with Bacalhau's names, for ``--output json`` and ``yaml``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from gadus.core.job import Event, Execution, Job


def job_record(job: Job) -> dict[str, Any]:
    """The job as its author wrote it, and what has become of it. ``job run`` accepts it again."""
    return {
        "ID": job.id,
        **job.spec.to_wire(),
        "State": {"StateType": job.state.value, "Message": job.message},
        "Version": job.version,
        "CreateTime": _iso(job.created_at),
        "ModifyTime": _iso(job.modified_at),
    }


def execution_record(execution: Execution) -> dict[str, Any]:
    """One execution, with its receipt."""
    outcome = execution.outcome
    return {
        "ID": execution.id,
        "PartitionIndex": execution.index,
        "NodeID": execution.node,
        "State": execution.state.value,
        "Phase": execution.phase.value if execution.phase else "",
        "ExitCode": outcome.exit_code if outcome else None,
        "Error": outcome.error.model_dump() if outcome and outcome.error else None,
        "Receipt": outcome.receipt if outcome else {},
        "CreateTime": _iso(execution.created_at),
        "ModifyTime": _iso(execution.modified_at),
    }


def event_record(event: Event) -> dict[str, Any]:
    """One event, without what the job's own record tells."""
    details = event.model_dump(mode="json", exclude={"at", "kind", "spec", "job_id"})
    if isinstance(details.get("outcome"), dict):
        details["outcome"].pop("receipt", None)
    return {"Time": _iso(event.at), "Event": event.kind, "Details": details}


def described(job: Job, events: Sequence[Event]) -> dict[str, Any]:
    """All that is known of a job."""
    return {
        "Job": job_record(job),
        "Executions": [execution_record(one) for one in job.executions],
        "History": [event_record(event) for event in events],
    }


def _iso(unix_seconds: float) -> str:
    whole, thousandths = divmod(round(unix_seconds * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{thousandths:03d}Z"
