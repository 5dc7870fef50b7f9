"""What is said when a job is over: one line for people, one document for scripts, one exit code for the shell."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gadus.contracts import Stream
from gadus.core import errors
from gadus.core.errors import GadusError
from gadus.core.job import Execution, Failure, Job, State
from gadus.core.units import format_bytes, format_seconds

from .failures import say, say_labelled
from .objects import verified_in_words
from .text import count_of, short_id

TEXT_LIMIT_BYTES = 64 << 10
"""More of a stream than this is cut in a JSON document."""
_STOPPED_EXIT_CODE = 1

ResultsOf = Callable[[Job, Execution], Path]


def exit_code_of(job: Job) -> int:
    """The program's own exit code (the first that is not 0, in the order of the parts), else that of the error's class."""
    if job.state is State.COMPLETED:
        codes = [one.outcome.exit_code or 0 for one in answers(job) if one.outcome]
        return next((shell_code(code) for code in codes if code), 0)
    if job.state is State.STOPPED:
        return _STOPPED_EXIT_CODE
    failure = failure_of(job)
    kind = getattr(errors, failure.kind, None)
    return kind.exit_code if isinstance(kind, type) and issubclass(kind, GadusError) else _STOPPED_EXIT_CODE


def shell_code(exit_code: int) -> int:
    """An exit code as a shell can carry it: a failure stays a failure."""
    return exit_code & 0xFF or int(exit_code != 0)


def answers(job: Job) -> list[Execution]:
    """The executions that ended with an exit code, by index."""
    ended = [one for one in job.executions if one.outcome is not None and one.outcome.exit_code is not None]
    return sorted(ended, key=lambda one: one.index)


def failure_of(job: Job) -> Failure:
    """Why a job without an answer has none."""
    for one in reversed(job.executions):
        if one.outcome is not None and one.outcome.error is not None and one.outcome.error.kind != "Stopped":
            return one.outcome.error
    kind = "TimedOut" if job.message.startswith("Job timed out") else "JobFailed"
    return Failure(kind=kind, message=job.message or f"the job is {job.state.value}")


def say_ending(job: Job, total_seconds: float) -> None:
    """The last lines of a followed job, on standard error."""
    if job.state is State.COMPLETED:
        say(done_line(job, total_seconds))
    if job.state is State.COMPLETED and (job.spec.task.result_paths or any(truncated_of(one) for one in answers(job))):
        say(f"Results are kept: gadus job get {short_id(job.id)}")


def say_failure(job: Job) -> None:
    """Why a followed job has no answer, on standard error; nothing when it has one."""
    if job.state is State.STOPPED:
        say_labelled("Error", f"job {job.id} was stopped: {job.message}")
    elif job.state is not State.COMPLETED:
        failure = failure_of(job)
        say_labelled("Error", failure.message)
        if failure.hint:
            say_labelled("Hint", failure.hint)


def done_line(job: Job, total_seconds: float) -> str:
    """One line: "Done in 3.2 s: staging 1.1 s (48 objects, …), preparing 0.3 s, running 1.7 s; exit code 0"."""
    ended = answers(job)
    phases = []
    for phase in ("staging", "preparing", "running"):
        # Side by side, the slowest part is what one waited for.
        seconds = max((float(_seconds(one).get(phase, 0.0)) for one in ended), default=0.0)
        inputs = f" ({_inputs(ended)})" if phase == "staging" else ""
        if phase != "staging" or job.spec.task.input_sources:
            phases.append(f"{phase} {format_seconds(seconds)}{inputs}")
    codes = [one.outcome.exit_code for one in ended if one.outcome]
    named = (
        f"exit code {codes[0]}" if len(codes) == 1 else f"exit codes {', '.join(map(str, codes[:20]))}{'…' * (len(codes) > 20)}"
    )
    many = f"{count_of(len(codes), 'execution')}; " if len(codes) != 1 else ""
    return f"Done in {format_seconds(total_seconds)}: {many}{', '.join(phases)}" + (f"; {named}" if codes else "")


def truncated_of(execution: Execution) -> Sequence[str]:
    """The streams of which only the beginning is kept."""
    return execution.outcome.receipt.get("truncated", []) if execution.outcome else []


def document(job: Job, results_of: ResultsOf) -> dict[str, Any]:
    """The job's end, JSON-ready."""
    return {
        "job_id": job.id,
        "state": job.state.value,
        "message": job.message,
        "exit_code": exit_code_of(job),
        "executions": [_execution(one, results_of(job, one)) for one in job.executions],
    }


def as_line(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def _execution(one: Execution, results: Path) -> dict[str, Any]:
    outcome = one.outcome
    told: dict[str, Any] = {
        "id": one.id,
        "index": one.index,
        "node": one.node,
        "state": one.state.value,
        "exit_code": outcome.exit_code if outcome else None,
        "error": outcome.error.model_dump() if outcome and outcome.error else None,
        "phases": {f"{phase}_seconds": seconds for phase, seconds in _seconds(one).items()},
    }
    for stream in Stream:
        text, is_cut = head_of(results / stream.value)
        told |= {stream.value: text, f"{stream.value}_truncated": is_cut or stream.value in truncated_of(one)}
    return told | {"receipt": outcome.receipt if outcome else {}}


def head_of(file: Path) -> tuple[str, bool]:
    """The beginning of a kept stream as text, and whether there is more of it; nothing when it was not kept."""
    try:
        with file.open("rb") as stream:
            data = stream.read(TEXT_LIMIT_BYTES + 1)
    except OSError:
        return "", False
    return data[:TEXT_LIMIT_BYTES].decode("utf-8", "replace"), len(data) > TEXT_LIMIT_BYTES


def _seconds(one: Execution) -> dict[str, float]:
    return dict(one.outcome.receipt.get("seconds", {})) if one.outcome else {}


def _inputs(ended: Sequence[Execution]) -> str:
    """In words: "48 objects, 12.3 MiB, 0 B cached, size and ETag verified"."""
    inputs = [one for execution in ended if execution.outcome for one in execution.outcome.receipt.get("inputs", [])]
    objects = sum(one["objects"] for one in inputs)
    size_bytes = sum(one["bytes"] for one in inputs)
    cached_bytes = size_bytes - sum(one["fetched_bytes"] for one in inputs)
    verified: Counter[str] = Counter()
    for one in inputs:
        verified.update(one["verified"])
    return (
        f"{count_of(objects, 'object')}, {format_bytes(size_bytes)}, {format_bytes(cached_bytes)} cached, "
        f"{verified_in_words(verified)} verified"
    )
