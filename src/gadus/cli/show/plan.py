"""A plan as text for people and as a document for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median_low
from typing import Any

import click

from gadus.core.plan import Amount, Plan, PlannedInput
from gadus.core.units import format_bytes

from .objects import SHORT_DIGEST, item_record, show_first
from .tables import write_table
from .text import count_of, printable, printable_lines

_KEYS_SHOWN = 5
_PARTS_SHOWN = 20


def show(plan: Plan) -> None:
    """The plan on standard output; problems come last, where they are seen."""
    spec = plan.spec
    named = f" {spec.name}" if spec.name else ""
    _line(f"Job{named}: {spec.type}, {count_of(spec.count, 'execution')}")
    if plan.inputs:
        _title("Inputs")
        write_table(("input", "objects", "size", "cached", "digest", "from"), [_input_row(one) for one in plan.inputs])
        for one in plan.inputs:
            if one.pin is not None and not one.is_program:
                show_first(one.target, one.pin.first[:_KEYS_SHOWN], one.pin.objects)
    for one in plan.inputs:
        if one.parts:
            _show_parts(one)
    _title("Engine")
    ready = "ready" if plan.engine.ready else "not ready"
    _line(f"{plan.engine.type}: {ready}")
    for note in plan.engine.notes:
        _line(f"  {note}")
    _title("Node")
    for line in _about_nodes(plan):
        _line(line)
    _title("Room")
    for line in _about_room(plan):
        _line(line)
    click.echo()
    _show_answer(plan)


def document(plan: Plan) -> dict[str, Any]:
    """The plan, JSON-ready; see docs/reference/plan.md."""
    spec = plan.spec
    return {
        "can_run": not plan.problems,
        "problems": [failure.model_dump() for failure in plan.problems],
        "job": {"name": spec.name, "type": spec.type, "count": spec.count},
        "inputs": [_input_record(one) for one in plan.inputs],
        "to_fetch": _amount(plan.to_fetch),
        "engine": {"type": plan.engine.type, "ready": plan.engine.ready, "notes": list(plan.engine.notes)},
        "node": plan.placing.chosen.id if plan.placing.chosen else None,
        "nodes": [
            {
                "id": node.id,
                "cpu_cores": node.cpu_cores,
                "memory_bytes": node.memory_bytes,
                "disk_bytes": node.disk_bytes,
                "gpus": node.gpus,
                "labels": dict(node.labels),
                "reasons_against": list(plan.placing.reasons_against.get(node.id, ())),
            }
            for node in plan.placing.nodes
        ],
        "room": {
            "free_bytes": plan.room.free_bytes,
            "cache_used_bytes": plan.room.cache_used_bytes,
            "cache_limit_bytes": plan.room.cache_limit_bytes,
        },
    }


def _input_row(one: PlannedInput) -> tuple[str, ...]:
    pin = one.pin
    if pin is None:
        return (one.target, "", "", "", "", "cannot be read, see below")
    cached = format_bytes(one.cached.size_bytes) if pin.exact else "never"
    return (one.target, f"{pin.objects:,}", format_bytes(pin.size_bytes), cached, pin.digest[:SHORT_DIGEST], pin.location)


def _show_parts(one: PlannedInput) -> None:
    _title(f"Parts of {printable(one.target)}")
    rows = [(str(index), f"{part.objects:,}", format_bytes(part.size_bytes)) for index, part in enumerate(one.parts)]
    write_table(("part", "objects", "size"), rows[:_PARTS_SHOWN])
    if len(rows) > _PARTS_SHOWN:
        click.echo(f"… and {len(rows) - _PARTS_SHOWN:,} more; of all {len(rows):,}:")
        summary = _summary(one.parts)
        write_table(
            ("", "objects", "size"),
            [(name, f"{amount.objects:,}", format_bytes(amount.size_bytes)) for name, amount in summary.items()],
        )


def _summary(parts: Sequence[Amount]) -> dict[str, Amount]:
    objects = [part.objects for part in parts]
    sizes = [part.size_bytes for part in parts]
    return {
        "min": Amount(min(objects), min(sizes)),
        "median": Amount(median_low(objects), median_low(sizes)),
        "max": Amount(max(objects), max(sizes)),
    }


def _about_nodes(plan: Plan) -> Iterator[str]:
    for node in plan.placing.nodes:
        has = (
            f"{node.cpu_cores:g} CPU cores, {format_bytes(node.memory_bytes)} memory, {format_bytes(node.disk_bytes)} free disk"
        )
        reasons = plan.placing.reasons_against.get(node.id, ())
        if node is plan.placing.chosen:
            others = "the only node" if len(plan.placing.nodes) == 1 else f"the first of {len(plan.placing.nodes)} that can"
            yield f"{node.id}: chosen, {others}; it has what the job asks for ({has})"
        elif reasons:
            yield f"{node.id}: cannot run it ({has})"
            yield from (f"  {reason}" for reason in reasons)
        else:
            yield f"{node.id}: could run it, too ({has})"


def _about_room(plan: Plan) -> Iterator[str]:
    room, to_fetch = plan.room, plan.to_fetch
    yield f"to fetch: {count_of(to_fetch.objects, 'object')}, {format_bytes(to_fetch.size_bytes)}"
    yield f"free disk: {format_bytes(room.free_bytes)}"
    yield f"cache: {format_bytes(room.cache_used_bytes)} of at most {format_bytes(room.cache_limit_bytes)}"
    left = min(room.free_bytes, room.cache_limit_bytes - room.cache_used_bytes)
    if to_fetch.size_bytes > left and not plan.problems:
        yield "inputs that were not used for the longest time will be removed from the cache"


def _show_answer(plan: Plan) -> None:
    if not plan.problems:
        # Of an image that is not here, or a module that is not compiled, not everything can be known.
        known = "This job can run." if plan.engine.ready else "Nothing was found that would keep this job from running."
        click.echo(click.style(known, fg="green"))
        return
    click.echo(click.style(f"This job cannot run, for {count_of(len(plan.problems), 'reason')}:", fg="red"))
    for number, failure in enumerate(plan.problems, 1):
        first, *more = printable_lines(failure.message)
        click.echo(f"{number:>3}. {first}")
        for line in more:
            click.echo(f"     {line}")
        if failure.hint:
            click.echo(f"     Hint: {printable(failure.hint)}")


def _input_record(one: PlannedInput) -> dict[str, Any]:
    pin = one.pin
    told: dict[str, Any] = {
        "target": one.target,
        "source": one.source,
        "is_program": one.is_program,
        "problem": one.problem.model_dump() if one.problem else None,
    }
    if pin is None:
        return told
    told |= {
        "location": pin.location,
        "digest": pin.digest,
        "exact": pin.exact,
        "objects": pin.objects,
        "bytes": pin.size_bytes,
        "cached": _amount(one.cached),
        "to_fetch": _amount(one.to_fetch),
        "first_objects": [item_record(item) for item in pin.first],
        "parts": [_amount(part) for part in one.parts],
    }
    return told


def _amount(amount: Amount) -> dict[str, int]:
    return {"objects": amount.objects, "bytes": amount.size_bytes}


def _title(text: str) -> None:
    click.echo("\n" + click.style(text, bold=True))


def _line(text: str) -> None:
    click.echo(printable(text))
