"""A plan as text for people, from its document: see docs/reference/plan.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median_low
from typing import Any

import click

from gadus.core.units import format_bytes

from .objects import SHORT_DIGEST, show_first
from .tables import write_table
from .text import count_of, printable, printable_lines

Document = Mapping[str, Any]

_KEYS_SHOWN = 5
_PARTS_SHOWN = 20


def show(plan: Document) -> None:
    """The plan on standard output; problems come last, where they are seen."""
    job, engine = plan["job"], plan["engine"]
    named = f" {job['name']}" if job["name"] else ""
    _line(f"Job{named}: {job['type']}, {count_of(job['count'], 'execution')}")
    if plan["inputs"]:
        _title("Inputs")
        write_table(("input", "objects", "size", "cached", "digest", "from"), [_input_row(one) for one in plan["inputs"]])
        for one in plan["inputs"]:
            if "digest" in one and not one["is_program"]:
                show_first(one["target"], one["first_objects"][:_KEYS_SHOWN], one["objects"])
    for one in plan["inputs"]:
        if one.get("parts"):
            _show_parts(one)
    _title("Engine")
    _line(f"{engine['type']}: {'ready' if engine['ready'] else 'not ready'}")
    for note in engine["notes"]:
        _line(f"  {note}")
    _title("Node")
    for line in _about_nodes(plan):
        _line(line)
    _title("Room")
    for line in _about_room(plan):
        _line(line)
    click.echo()
    _show_answer(plan)


def _input_row(one: Document) -> tuple[str, ...]:
    if "digest" not in one:
        return (one["target"], "", "", "", "", "cannot be read, see below")
    cached = format_bytes(one["cached"]["bytes"]) if one["exact"] else "never"
    digest = one["digest"][:SHORT_DIGEST]
    return (one["target"], f"{one['objects']:,}", format_bytes(one["bytes"]), cached, digest, one["location"])


def _show_parts(one: Document) -> None:
    _title(f"Parts of {printable(one['target'])}")
    parts = one["parts"]
    rows = [(str(index), f"{part['objects']:,}", format_bytes(part["bytes"])) for index, part in enumerate(parts)]
    write_table(("part", "objects", "size"), rows[:_PARTS_SHOWN])
    if len(rows) > _PARTS_SHOWN:
        click.echo(f"… and {len(rows) - _PARTS_SHOWN:,} more; of all {len(rows):,}:")
        write_table(("", "objects", "size"), _summary(parts))


def _summary(parts: Sequence[Document]) -> list[tuple[str, str, str]]:
    objects, sizes = ([part[name] for part in parts] for name in ("objects", "bytes"))
    ways: dict[str, Callable[[list[int]], int]] = {"min": min, "median": median_low, "max": max}
    return [(name, f"{way(objects):,}", format_bytes(way(sizes))) for name, way in ways.items()]


def _about_nodes(plan: Document) -> Iterator[str]:
    nodes = plan["nodes"]
    for node in nodes:
        cores, memory, disk = node["cpu_cores"], format_bytes(node["memory_bytes"]), format_bytes(node["disk_bytes"])
        has = f"{cores:g} CPU cores, {memory} memory, {disk} free disk"
        if node["id"] == plan["node"]:
            others = "the only node" if len(nodes) == 1 else f"the first of {len(nodes)} that can"
            yield f"{node['id']}: chosen, {others}; it has what the job asks for ({has})"
        elif node["reasons_against"]:
            yield f"{node['id']}: cannot run it ({has})"
            yield from (f"  {reason}" for reason in node["reasons_against"])
        else:
            yield f"{node['id']}: could run it, too ({has})"


def _about_room(plan: Document) -> Iterator[str]:
    room, to_fetch = plan["room"], plan["to_fetch"]
    free, used, limit = room["free_bytes"], room["cache_used_bytes"], room["cache_limit_bytes"]
    yield f"to fetch: {count_of(to_fetch['objects'], 'object')}, {format_bytes(to_fetch['bytes'])}"
    yield f"free disk: {format_bytes(free)}"
    yield f"cache: {format_bytes(used)} of at most {format_bytes(limit)}"
    if to_fetch["bytes"] > min(free, limit - used) and not plan["problems"]:
        yield "inputs that were not used for the longest time will be removed from the cache"


def _show_answer(plan: Document) -> None:
    problems = plan["problems"]
    if not problems:
        # Of an image that is not here, or a module that is not compiled, not everything can be known.
        known = "This job can run." if plan["engine"]["ready"] else "Nothing was found that would keep this job from running."
        click.echo(click.style(known, fg="green"))
        return
    click.echo(click.style(f"This job cannot run, for {count_of(len(problems), 'reason')}:", fg="red"))
    for number, failure in enumerate(problems, 1):
        first, *more = printable_lines(failure["message"])
        click.echo(f"{number:>3}. {first}")
        for line in more:
            click.echo(f"     {line}")
        if failure["hint"]:
            click.echo(f"     Hint: {printable(failure['hint'])}")


def _title(text: str) -> None:
    click.echo("\n" + click.style(text, bold=True))


def _line(text: str) -> None:
    click.echo(printable(text))
