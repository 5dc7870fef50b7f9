"""``gadus job describe``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.ending import answers, head_of, verified_in_words
from gadus.cli.show.objects import SHORT_DIGEST, show_first
from gadus.cli.show.records import described, described_as_json
from gadus.cli.show.tables import write_document, write_table
from gadus.cli.show.text import clock_time, count_of, printable, printable_lines, short_id, shortened
from gadus.contracts import Stream
from gadus.core.errors import NotFound
from gadus.core.job import Event, Execution, Job, Pin, Pinned
from gadus.core.manifest import Item
from gadus.core.units import format_bytes, format_seconds
from gadus.orchestrator.service import Service
from gadus.wiring import open_service

_LINES_SHOWN = 20
_KEYS_SHOWN = 10
_LONGEST_LINE = 200


@click.command(cls=Command)
@click.argument("job")
@click.option("--output", "style", type=click.Choice(["json", "yaml"]), default=None, help="One document with everything.")
@click.option("--pretty", is_flag=True, help="JSON on several lines.")
@click.pass_context
def describe(ctx: click.Context, /, job: str, style: Literal["json", "yaml"] | None, *, pretty: bool, as_json: bool) -> None:
    """Show all that is known of JOB: an id, the beginning of one, or a name. Times are UTC."""
    with open_service(settings_of(ctx)) as service:
        found = service.find(job)
        events = service.events(found)
        form = "json" if as_json else style
        if form == "json":
            for piece in described_as_json(found, events, partial(_items, service), pretty=pretty):
                sys.stdout.write(piece)
            return
        if form == "yaml":
            write_document(described(found, events), form)
            return
        _describe(found, events, {one.id: service.results(found, one) for one in found.executions})


def _items(service: Service, pin: Pin) -> Iterator[Item]:
    try:
        return service.manifest(pin)
    except NotFound:
        # Also then it is known how the input began.
        return iter(pin.first)


def _describe(job: Job, events: Sequence[Event], results: dict[str, Path]) -> None:
    _pairs(_about(job))
    states = Counter(one.state.value for one in job.executions)
    if states:
        _title("Summary")
        _pairs((state.capitalize(), str(number)) for state, number in states.items())
    if job.pins:
        _title("Inputs")
        write_table(("target", "objects", "size", "digest", "from"), [_pin_row(pin) for pin in job.pins])
        for pin in job.pins:
            show_first(pin.target, pin.first[:_KEYS_SHOWN], pin.objects)
    inputs = [(one, receipt) for one in answers(job) for receipt in _receipt(one).get("inputs", [])]
    if inputs:
        _title("Fetched")
        write_table(
            ("target", "objects", "size", "fetched", "verified", "from"),
            [_input_row(receipt) for _, receipt in inputs[:_LINES_SHOWN]],
        )
    if job.executions:
        _title("Executions")
        write_table(
            ("id", "part", "node", "state", "exit", "staging", "preparing", "running", "comment"),
            [_execution_row(one) for one in sorted(job.executions, key=lambda one: -one.created_at)],
        )
    _title("History")
    write_table(("time", "event", "details"), [_event_row(event) for event in events])
    _show_output(job, results)


def _about(job: Job) -> Iterator[tuple[str, str]]:
    yield from [("ID", job.id), ("Name", job.spec.name), ("Namespace", job.spec.namespace), ("Type", job.spec.type)]
    yield from [("State", job.state.value), ("Message", job.message), ("Count", str(job.spec.count))]
    if job.spec.labels:
        yield "Labels", ",".join(f"{key}={value}" for key, value in job.spec.labels.items())
    engine = job.spec.task.engine
    yield "Engine", f"{engine.name} {engine.params.get('Image', '')}".strip()
    yield from [("Created Time", clock_time(job.created_at)), ("Modified Time", clock_time(job.modified_at))]
    yield "Version", str(job.version)


def _pairs(pairs: Iterator[tuple[str, str]]) -> None:
    rows = [(name, printable(value)) for name, value in pairs if value]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}} = {value}")


def _title(text: str) -> None:
    click.echo("\n" + click.style(text, bold=True))


def _receipt(one: Execution) -> dict[str, Any]:
    return one.outcome.receipt if one.outcome else {}


def _pin_row(pin: Pin) -> tuple[str, ...]:
    return (pin.target, f"{pin.objects:,}", format_bytes(pin.size_bytes), pin.digest[:SHORT_DIGEST], pin.location)


def _input_row(receipt: dict[str, Any]) -> tuple[str, ...]:
    return (
        receipt["target"],
        f"{receipt['objects']:,}",
        format_bytes(receipt["bytes"]),
        format_bytes(receipt["fetched_bytes"]),
        verified_in_words(receipt["verified"]),
        receipt["location"],
    )


def _execution_row(one: Execution) -> tuple[str, ...]:
    outcome = one.outcome
    seconds = _receipt(one).get("seconds", {})
    phases = (format_seconds(seconds[name]) if name in seconds else "" for name in ("staging", "preparing", "running"))
    comment = outcome.error.message if outcome and outcome.error else one.phase.value if one.phase else ""
    code = "" if outcome is None or outcome.exit_code is None else str(outcome.exit_code)
    return (short_id(one.id), str(one.index), one.node, one.state.value, code, *phases, shortened(comment, 100))


def _event_row(event: Event) -> tuple[str, str, str]:
    told = event.model_dump(mode="json", exclude={"at", "kind", "spec", "job_id", "edition", "attended"})
    if isinstance(event, Pinned):
        told["pin"] = f"{event.pin.target} is {count_of(event.pin.objects, 'object')}, {format_bytes(event.pin.size_bytes)}"
    outcome = told.pop("outcome", None)
    if outcome:
        error = outcome["error"]
        told["outcome"] = error["message"] if error else f"exit code {outcome['exit_code']}"
    told = {name: short_id(value) if name == "execution_id" else value for name, value in told.items()}
    details = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in told.items())
    return clock_time(event.at), event.kind.replace("_", " "), shortened(details, 120)


def _show_output(job: Job, results: dict[str, Path]) -> None:
    shown = answers(job)
    for one in shown:
        for stream, name in ((Stream.STDOUT, "Standard Output"), (Stream.STDERR, "Standard Error")):
            text, is_cut = head_of(results[one.id] / stream.value)
            if not text:
                continue
            _title(f"{name} of {short_id(one.id)}" if len(shown) > 1 else name)
            lines = text.removesuffix("\n").split("\n")
            for line in lines[:_LINES_SHOWN]:
                click.echo(shortened(printable_lines(line)[0], _LONGEST_LINE))
            if is_cut or len(lines) > _LINES_SHOWN:
                click.echo(f"… all of it: gadus job logs {short_id(job.id)}")
    if job.spec.task.result_paths and shown:
        kept = count_of(len(job.spec.task.result_paths), "result path")
        click.echo(f"\n{kept} kept; to copy: gadus job get {short_id(job.id)}")
