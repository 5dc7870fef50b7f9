"""Jobs and executions as the REST API shows them: Bacalhau's names, its numbers for states, times in nanoseconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gadus.core.job import Execution, Job, Phase, State
from gadus.core.spec import NetworkType

Document = dict[str, Any]

_DESIRED_RUNNING = 1
_DESIRED_STOPPED = 2
_JOB_STATES = {
    State.RUNNING: "Running",
    State.COMPLETED: "Completed",
    State.FAILED: "Failed",
    State.STOPPED: "Stopped",
}


@dataclass(frozen=True, slots=True)
class Numbering:
    """The numbers that stand for the states of an execution."""

    new: int
    accepted: int
    running: int
    publishing: int
    completed: int
    failed: int
    cancelled: int

    def number_of(self, state: State, phase: Phase | None = None) -> int:
        """The number of an execution in `state`, and in `phase` while it runs."""
        match state, phase:
            case State.COMPLETED, _:
                return self.completed
            case State.FAILED, _:
                return self.failed
            case State.STOPPED, _:
                return self.cancelled
            case _, Phase.RUNNING:
                return self.running
            case _, Phase.PUBLISHING:
                return self.publishing
        return self.accepted


NUMBERS_OF_1_4 = Numbering(new=1, accepted=5, running=5, publishing=5, completed=7, failed=8, cancelled=9)
NUMBERS_SINCE_1_5_2 = Numbering(new=1, accepted=5, running=6, publishing=7, completed=9, failed=10, cancelled=11)
"""Two states came in between, and those after them moved."""


@dataclass(frozen=True, slots=True)
class Written:
    """The beginnings of what a program wrote, and whether there is more of each."""

    stdout: str = ""
    stdout_truncated: bool = False
    stderr: str = ""
    stderr_truncated: bool = False


def job_state(job: Job) -> str:
    """A job that waits is Pending at first, Queued when it waits for a reason or for another try."""
    if job.state is not State.QUEUED:
        return _JOB_STATES[job.state]
    tried = any(execution.edition == job.edition for execution in job.executions)
    return "Queued" if tried or job.message else "Pending"


def job_document(job: Job, *, bridges: bool = True) -> Document:
    """The whole job; a submission takes it again. Without `bridges` a network that is one is called Full."""
    spec = job.spec.to_wire()
    if not bridges:
        for task in spec["Tasks"]:
            if task["Network"]["Type"] == NetworkType.BRIDGE:
                task["Network"] = {**task["Network"], "Type": NetworkType.FULL.value}
    state = {"StateType": job_state(job)}
    if job.message:
        state["Message"] = job.message
    return {
        "ID": job.id,
        **spec,
        "State": state,
        "Version": job.edition,
        "Revision": job.version,
        "CreateTime": nanoseconds(job.created_at),
        "ModifyTime": nanoseconds(job.modified_at),
    }


def execution_document(
    job: Job, execution: Execution, numbering: Numbering, *, written: Written, published: Mapping[str, Any] | None
) -> Document:
    """One execution. `published` is where its results are, once it has completed."""
    return {
        "ID": execution.id,
        "Namespace": job.spec.namespace,
        "EvalID": "",
        "Name": "",
        "NodeID": execution.node,
        "JobID": job.id,
        "JobVersion": execution.edition,
        "AllocatedResources": {"Tasks": {}},
        "DesiredState": _desired(execution),
        "ComputeState": _state(numbering.number_of(execution.state, execution.phase), _comment(execution)),
        "PublishedResult": published,
        "RunOutput": _run_output(execution, written),
        "PreviousExecution": "",
        "NextExecution": "",
        "FollowupEvalID": "",
        "PartitionIndex": execution.index,
        "Revision": 1,
        "CreateTime": nanoseconds(execution.created_at),
        "ModifyTime": nanoseconds(execution.modified_at),
        **_ours(execution),
    }


def nanoseconds(unix_seconds: float) -> int:
    """A point in time as clients decode it: a whole number."""
    return round(unix_seconds * 1_000_000) * 1000


def rfc3339(unix_seconds: float) -> str:
    """A point in time as text, in UTC: ``2024-07-02T14:26:57.160015Z``."""
    whole, micros = divmod(round(unix_seconds * 1_000_000), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{micros:06d}Z"


def _state(number: int, message: str) -> Document:
    return {"StateType": number, "Message": message} if message else {"StateType": number}


def _desired(execution: Execution) -> Document:
    if execution.state is State.COMPLETED:
        return _state(_DESIRED_STOPPED, "execution completed")
    if execution.state.final or execution.stopping:
        return _state(_DESIRED_STOPPED, "")
    return _state(_DESIRED_RUNNING, "")


def _comment(execution: Execution) -> str:
    if execution.outcome is not None and execution.outcome.error is not None:
        return execution.outcome.error.message
    return execution.phase.value if execution.phase else ""


def _ours(execution: Execution) -> Document:
    """What Bacalhau's executions do not tell: the phase, the error as it was raised, what was read and used."""
    outcome = execution.outcome
    error = outcome.error if outcome else None
    return {
        "Phase": execution.phase.value if execution.phase else "",
        "Error": {"Kind": error.kind, "Message": error.message, "Hint": error.hint} if error else None,
        "Receipt": outcome.receipt if outcome else {},
    }


def _run_output(execution: Execution, written: Written) -> Document | None:
    outcome = execution.outcome
    if outcome is None:
        return None
    return {
        "Stdout": written.stdout,
        "StdoutTruncated": written.stdout_truncated,
        "stderr": written.stderr,
        "StderrTruncated": written.stderr_truncated,
        "ExitCode": -1 if outcome.exit_code is None else outcome.exit_code,
        "ErrorMsg": outcome.error.message if outcome.error else "",
    }
