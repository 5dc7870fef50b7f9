"""All that is known of a job, for people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from gadus.core.units import format_bytes, format_seconds

from .events import EVENT_COLUMNS
from .lists import write_rows
from .objects import SHORT_DIGEST, show_first, verified_in_words
from .states import compute_state, desired_state
from .tables import write_table
from .text import clock_time, count_of, printable, printable_lines, short_id, short_node, shortened

Document = Mapping[str, Any]

_LINES_SHOWN = 20
_KEYS_SHOWN = 10
_LONGEST_LINE = 200
_LONGEST_COMMENT = 100
_EXECUTIONS_TOLD = 10
_NANOSECONDS = 1_000_000_000
_PHASES = ("staging", "preparing", "running")


def show_described(answer: Document) -> None:
    """The answer of the API with executions, history and manifests, on standard output."""
    job, history = answer["Job"], answer["History"]["Items"]
    executions = sorted(answer["Executions"]["Items"], key=lambda one: -one["CreateTime"])
    _pairs(_about(job))
    if executions:
        _title("Summary")
        _pairs((state, str(number)) for state, number in Counter(map(compute_state, executions)).items())
    _show_history("Job History", [entry for entry in history if entry["Type"] == "JobLevel"])
    _show_inputs(answer.get("Manifests") or ())
    _show_fetched(executions)
    if executions:
        _title("Executions")
        write_table(_EXECUTION_HEADERS, [_execution_row(one) for one in executions])
    for one in executions[:_EXECUTIONS_TOLD]:
        of_it = [entry for entry in history if entry.get("ExecutionID") == one["ID"]]
        _show_history(f"Execution {short_id(one['ID'])} History", of_it)
    if len(executions) > _EXECUTIONS_TOLD:
        click.echo(f"\nThe history of all executions: gadus job history --event-type execution {short_id(job['ID'])}")
    _show_output(job, sorted(executions, key=lambda one: one.get("PartitionIndex", 0)))


def _about(job: Document) -> Iterator[tuple[str, str]]:
    yield from [("ID", job["ID"]), ("Name", job["Name"]), ("Namespace", job["Namespace"]), ("Type", job["Type"])]
    yield from [("State", job["State"]["StateType"]), ("Message", job["State"].get("Message", ""))]
    if job["Type"] in ("batch", "service"):
        yield "Count", str(job["Count"])
    yield "Labels", ",".join(f"{key}={value}" for key, value in (job.get("Labels") or {}).items())
    engine = job["Tasks"][0]["Engine"]
    yield "Engine", f"{engine['Type']} {(engine.get('Params') or {}).get('Image', '')}".strip()
    for name, key in (("Created Time", "CreateTime"), ("Modified Time", "ModifyTime")):
        yield name, clock_time(job[key] / _NANOSECONDS)
    yield "Version", str(job["Version"])


def _pairs(pairs: Iterable[tuple[str, str]]) -> None:
    rows = [(name, printable(value)) for name, value in pairs if value]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}} = {value}")


def _title(text: str) -> None:
    click.echo("\n" + click.style(text, bold=True))


def _show_history(title: str, entries: Sequence[Document]) -> None:
    if entries:
        _title(title)
        write_rows(entries, EVENT_COLUMNS)


def _show_inputs(manifests: Sequence[Document]) -> None:
    if not manifests:
        return
    _title("Inputs")
    write_table(("target", "objects", "size", "digest", "from"), [_manifest_row(one) for one in manifests])
    for one in manifests:
        show_first(one["Target"], one["Items"][:_KEYS_SHOWN], one["Objects"])


def _manifest_row(one: Document) -> tuple[str, ...]:
    return (one["Target"], f"{one['Objects']:,}", format_bytes(one["Bytes"]), one["Digest"][:SHORT_DIGEST], one["Location"])


def _show_fetched(executions: Sequence[Document]) -> None:
    oldest_first = sorted(executions, key=lambda one: one.get("PartitionIndex", 0))
    receipts = [receipt for one in oldest_first for receipt in _receipt(one).get("inputs", ())]
    if receipts:
        _title("Fetched")
        headers = ("target", "objects", "size", "fetched", "verified", "from")
        write_table(headers, [_fetched_row(one) for one in receipts[:_LINES_SHOWN]])


def _fetched_row(receipt: Document) -> tuple[str, ...]:
    return (
        receipt["target"],
        f"{receipt['objects']:,}",
        format_bytes(receipt["bytes"]),
        format_bytes(receipt["fetched_bytes"]),
        verified_in_words(receipt["verified"]),
        receipt["location"],
    )


_EXECUTION_HEADERS = ("id", "node id", "state", "desired", "rev.", "part", "exit", *_PHASES, "created", "modified", "comment")


def _execution_row(one: Document) -> tuple[str, ...]:
    seconds = _receipt(one).get("seconds", {})
    output = one.get("RunOutput") or {}
    code = "" if not output or output["ErrorMsg"] else str(output["ExitCode"])
    return (
        short_id(one["ID"]),
        short_node(one["NodeID"]),
        compute_state(one),
        desired_state(one),
        str(one["Revision"]),
        str(one.get("PartitionIndex", "")),
        code,
        *(format_seconds(seconds[name]) if name in seconds else "" for name in _PHASES),
        _ago(one["CreateTime"]),
        _ago(one["ModifyTime"]),
        shortened(one["ComputeState"].get("Message", ""), _LONGEST_COMMENT),
    )


def _receipt(one: Document) -> Mapping[str, Any]:
    return one.get("Receipt") or {}


def _ago(nanoseconds: int) -> str:
    """How long ago that was, as Bacalhau writes it: "5m10s ago"."""
    minutes, seconds = divmod(max(int(time.time() - nanoseconds / _NANOSECONDS), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s ago"
    return f"{minutes}m{seconds}s ago" if minutes else f"{seconds}s ago"


def _show_output(job: Document, executions: Sequence[Document]) -> None:
    """The beginnings of what programs wrote; of each part what its newest execution did."""
    newest = {one.get("PartitionIndex", one["ID"]): one for one in sorted(executions, key=lambda one: one["CreateTime"])}
    shown = [one for one in newest.values() if one.get("RunOutput")]
    for one in shown[:_LINES_SHOWN]:
        for name, key, cut in (
            ("Standard Output", "Stdout", "StdoutTruncated"),
            ("Standard Error", "stderr", "StderrTruncated"),
        ):
            text, is_cut = one["RunOutput"][key], one["RunOutput"][cut]
            if text:
                _title(f"{name} of {short_id(one['ID'])}" if len(shown) > 1 else name)
                _show_text(job, text, is_cut=is_cut)
    kept = len(job["Tasks"][0].get("ResultPaths") or ())
    if kept and any(compute_state(one) == "Completed" for one in shown):
        click.echo(f"\n{count_of(kept, 'result path')} kept; to copy: gadus job get {short_id(job['ID'])}")


def _show_text(job: Document, text: str, *, is_cut: bool) -> None:
    lines = text.removesuffix("\n").split("\n")
    for line in lines[:_LINES_SHOWN]:
        click.echo(shortened(printable_lines(line)[0], _LONGEST_LINE))
    if is_cut or len(lines) > _LINES_SHOWN:
        click.echo(f"… all of it: gadus job logs {short_id(job['ID'])}")
