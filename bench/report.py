"""The Markdown report: which gates are met, ratios of runs side by side, and the figures behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from gadus.core.units import format_bytes

from .gates import KEYS_A_PAGE, best_peer, gates
from .measure import Run
from .peers.all import GADUS, PEERS
from .results import Record, Results, cpu_seconds, median, process_seconds, seconds, spread
from .shaping.shape import SHAPES
from .studies.all import STUDIES
from .studies.study import Study

TITLE = """# Benchmarks

How long Gadus takes to stage inputs from S3, beside other clients. `make bench` makes this page anew on your machine."""
METHOD = Path(__file__).with_name("method.md")
MEASURES = ("seconds", "process", "CPU")
FIGURES = (seconds, process_seconds, cpu_seconds)


def markdown(results: Results) -> str:
    """The whole report of what was measured so far."""
    lines = [TITLE, "", *_gates(results), "", METHOD.read_text().format(s3like=_shape("s3like")).strip()]
    for study in STUDIES:
        by_profile = {profile: record for profile in study.profiles if (record := results.get(f"{study.id}/{profile}"))}
        if by_profile:
            title = next(iter(by_profile.values())).title
            lines += ["", f"## {title}", "", f"![{title}](benchmarks/{study.id}.svg)"]
        for profile, record in by_profile.items():
            lines += ["", f"### {study.id}, {profile}", "", f"`{record.command}`, {record.when}", "", *_tables(study, record)]
    lines += ["", "## The clients", "", *(f"- {peer.name}: {peer.about}" for peer in PEERS)]
    lines += ["", "## The machine", "", *(f"- {line}" for line in _machines(results))]
    return "\n".join(lines) + "\n"


def _gates(results: Results) -> Iterator[str]:
    yield "## Gates"
    yield ""
    yield "Lower is better. A gate is met when the median is at most what *must* be; *aim* is the goal. The figures come from"
    yield "the commands in the last column, whose tables stand below."
    yield ""
    yield from _rows(["gate", "must", "aim", "measured", "met", "by"], [gate.row(results) for gate in gates()])
    missed = [gate for gate in gates() if gate.measured(results) and not gate.met(results)]
    if missed:
        yield ""
        yield "What is not met, and what stands in the way where that is known:"
        yield ""
        yield from (f"- {gate.name}: {gate.limit or 'not known.'}" for gate in missed)


def _tables(study: Study, record: Record) -> Iterator[str]:
    if GADUS.name in record.names and study.family != "W7":
        yield from _rows(
            ["gadus divided by", *MEASURES],
            [
                [
                    name + (" (the best)" if name == best_peer(record) else ""),
                    *(spread(record.ratios(GADUS.name, name, one)) for one in FIGURES),
                ]
                for name in record.names
                if name != GADUS.name and record.ratios(GADUS.name, name)
            ],
        )
        yield ""
    yield from _rows(
        ["", "seconds", "process s", "CPU s", "memory", "requests", "pages", "wire", "rounds", "part"],
        [[name, *_figures(record, name)] for name in record.names],
    )


def _figures(record: Record, name: str) -> Iterator[str]:
    runs = record.runs(name)
    for figure in FIGURES:
        yield spread([figure(run) for run in runs])
    yield format_bytes(max(run.peak_bytes for run in runs))
    counted = record.traffic(name)
    if counted:
        yield f"{median([traffic.object_requests / run.objects for run, traffic in counted]):.3f}"
        yield f"{median([traffic.list / math.ceil(run.objects / KEYS_A_PAGE) for run, traffic in counted]):.2f}"
        yield f"{median([traffic.body_bytes / run.size_bytes for run, traffic in counted]):.4f}"
    else:
        yield from ("", "", "")
    yield str(len(runs))
    yield _part(runs[0])


def _part(run: Run) -> str:
    return f"1/{run.times:.3g}" if run.times > 1 else ""


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _shape(name: str) -> str:
    shape = SHAPES[name]
    first, page = shape.first_byte, shape.list_page
    return (
        f"the first byte after {first.median * 1000:.0f} ms (log-normal,\n"
        f"   one in a hundred takes {first.ninety_ninth * 1000:.0f} ms), {page.median * 1000:.0f} ms for a page of a listing, "
        f"{shape.bytes_per_second // 10**6} MB/s on each connection,\n"
        f"   503 SlowDown above {shape.requests_per_second:,} requests a second for a prefix, "
        f"and {shape.resets:.1%} of the bodies break off"
    )


def _machines(results: Results) -> list[str]:
    return list(dict.fromkeys(line for record in results.records.values() for line in record.machine))
