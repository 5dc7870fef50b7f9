"""What is said when a job is over: one line for people, one document for scripts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gadus.contracts import Stream
from gadus.core.job import Execution, Job
from gadus.core.units import format_bytes, format_seconds

from .ended import STATES, Document, Ended, WrittenBy, code_of, receipt_of, truncated_of
from .failures import say, say_labelled
from .objects import verified_in_words
from .text import count_of, printable_lines, short_id

TEXT_LIMIT_BYTES = 64 << 10
"""More of a stream than this is cut in a JSON document."""
_CODES_SHOWN = 20


def answers(job: Job) -> list[Execution]:
    """The executions that ended with an exit code, by index."""
    ended = [one for one in job.executions if one.outcome is not None and one.outcome.exit_code is not None]
    return sorted(ended, key=lambda one: one.index)


def say_ending(ended: Ended, total_seconds: float) -> None:
    """The last lines of a followed job, on standard error."""
    if ended.state == "completed":
        say(done_line(ended, total_seconds))
        if ended.task.get("ResultPaths") or any(truncated_of(one) for one in ended.answers):
            say(f"Results are kept: gadus job get {short_id(ended.job_id)}")


def say_failure(ended: Ended) -> None:
    """Why a followed job has no answer, on standard error; nothing when it has one."""
    if ended.state == "stopped":
        say_labelled("Error", f"job {ended.job_id} was stopped: {ended.message}")
    elif ended.state == "failed":
        failure = ended.failure
        say_labelled("Error", failure.message)
        if failure.hint:
            say_labelled("Hint", failure.hint)


def say_results_by_node(ended: Ended, written: WrittenBy) -> None:
    """What each execution left, those with the same text together, on standard error."""
    nodes: dict[str, list[str]] = {}
    for one in ended.executions:
        nodes.setdefault(_result(one, written), []).append(str(one["NodeID"]))
    say("Job Results By Node:")
    for text, ran in nodes.items():
        distinct = len(set(ran))
        where = f"Node {ran[0]}" if len(ran) == 1 else f"{count_of(len(ran), 'run')} on {count_of(distinct, 'node')}"
        first, *more = printable_lines(text.rstrip("\n"))
        for line in (f"• {where}: {first}", *more):
            say(line)


def done_line(ended: Ended, total_seconds: float) -> str:
    """One line: "Done in 3.2 s: staging 1.1 s (48 objects, …), preparing 0.3 s, running 1.7 s; exit code 0"."""
    ran = ended.answers
    phases = []
    for phase in ("staging", "preparing", "running"):
        # Side by side, the slowest part is what one waited for.
        seconds = max((float(_seconds(one).get(phase, 0.0)) for one in ran), default=0.0)
        inputs = f" ({_inputs(ran)})" if phase == "staging" else ""
        if phase != "staging" or ended.task.get("InputSources"):
            phases.append(f"{phase} {format_seconds(seconds)}{inputs}")
    codes = [code_of(one) for one in ran]
    shown = ", ".join(map(str, codes[:_CODES_SHOWN])) + "…" * (len(codes) > _CODES_SHOWN)
    named = f"exit code {codes[0]}" if len(codes) == 1 else f"exit codes {shown}"
    many = f"{count_of(len(codes), 'execution')}; " if len(codes) != 1 else ""
    return f"Done in {format_seconds(total_seconds)}: {many}{', '.join(phases)}" + (f"; {named}" if codes else "")


def document(ended: Ended, written: WrittenBy) -> dict[str, Any]:
    """The job's end, JSON-ready."""
    return {
        "job_id": ended.job_id,
        "state": ended.state,
        "message": ended.message,
        "exit_code": ended.exit_code,
        "executions": [_execution(one, written) for one in ended.executions],
    }


def as_line(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def _execution(one: Document, written: WrittenBy) -> dict[str, Any]:
    error = one.get("Error")
    told: dict[str, Any] = {
        "id": one["ID"],
        "index": one["PartitionIndex"],
        "node": one["NodeID"],
        "state": STATES.get(one["ComputeState"]["StateType"], "running"),
        "exit_code": code_of(one),
        "error": {name.lower(): error[name] for name in ("Kind", "Message", "Hint")} if error else None,
        "phases": {f"{phase}_seconds": seconds for phase, seconds in _seconds(one).items()},
    }
    for stream in Stream:
        begun = written(one, stream.value)
        told |= {stream.value: begun.text, f"{stream.value}_truncated": begun.is_cut or stream.value in truncated_of(one)}
    return told | {"receipt": receipt_of(one)}


def _result(one: Document, written: WrittenBy) -> str:
    """The one text that says most of an execution."""
    error = one.get("Error")
    if error:
        return str(error["Message"])
    stream = Stream.STDERR if code_of(one) else Stream.STDOUT
    return written(one, stream.value).text


def head_of(file: Path) -> tuple[str, bool]:
    """The beginning of a kept stream as text, and whether there is more of it; nothing when it was not kept."""
    try:
        with file.open("rb") as stream:
            return text_of(stream.read(TEXT_LIMIT_BYTES + 1))
    except OSError:
        return "", False


def text_of(data: bytes) -> tuple[str, bool]:
    """The beginning of `data` as text, and whether there is more of it."""
    return data[:TEXT_LIMIT_BYTES].decode("utf-8", "replace"), len(data) > TEXT_LIMIT_BYTES


def _seconds(one: Document) -> dict[str, float]:
    return dict(receipt_of(one).get("seconds", {}))


def _inputs(ran: Sequence[Document]) -> str:
    """In words: "48 objects, 12.3 MiB, 0 B cached, size and ETag verified"."""
    inputs = [one for execution in ran for one in receipt_of(execution).get("inputs", [])]
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
