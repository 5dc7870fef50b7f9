"""``python -m bench.serving``: measures, and prints a table; ``--write`` puts it into docs/benchmarks-server.md."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from gadus.config import settings_from
from gadus.core.job import Phase, PhaseEntered, Submitted
from gadus.wiring import store_of

from . import followers, load, slow
from .programs import wasm_job
from .queued import fill
from .server import Server, serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks-server.md"
_MADE = 300
Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of each: jobs one by one, jobs together, jobs that wait, clients at once, seconds of a steady load."""

    single: int = 100
    many: int = 500
    queued: int = 100_000
    clients: int = 1000
    load_seconds: int = 60


async def measure(room: Path, amounts: Amounts) -> list[Row]:
    """All rows: what was measured, what was seen, what must be."""
    rows = await _alone(room, amounts)
    async with serving(room / "clients") as server:
        rows += await followers.measure(server, followers=amounts.clients)
        rows += await slow.measure(server, connections=amounts.clients)
    return rows + await load.measure(room / "load", rate=load.RATE, seconds=amounts.load_seconds)


async def _alone(room: Path, amounts: Amounts) -> list[Row]:
    single, many, queued = amounts.single, amounts.many, amounts.queued
    empty, full = room / "empty", room / "full"
    rows: list[Row] = []
    before_ms = _disk_ms(room / "before")
    async with serving(empty) as server:
        rows += await _latency(server, empty, single, "nothing queued")
        rows.append(await _rate(server, many))
    fill(full, queued)
    async with serving(full) as server:
        rows.append((f"restart to serving, {queued:,} queued", f"{server.seconds_to_serve:.2f} s", "5 s"))
        rows.append((f"memory of the server, {queued:,} queued", f"{server.rss_bytes / 2**20:.0f} MiB", "300 MB"))
        rows.append((f"first page of the list, {queued:,} queued", f"{await _page_ms(server):.1f} ms", "100 ms"))
        rows += await _latency(server, full, single, f"{queued:,} queued")
    disk = f"{before_ms:.2f} ms before, {_disk_ms(room / 'after'):.2f} ms after"
    return [*rows, ("the disk: to make a directory with an empty file", disk, "")]


def _disk_ms(directory: Path) -> float:
    directory.mkdir()
    began = time.monotonic()
    for number in range(_MADE):
        (directory / str(number)).mkdir()
        (directory / str(number) / "file").touch()
    return (time.monotonic() - began) / _MADE * 1e3


async def _latency(server: Server, data_dir: Path, jobs: int, what: str) -> list[Row]:
    # The first compiles the module.
    await server.until_ended(await server.submit(wasm_job()))
    accepted_ms, done_ms, ids = [], [], []
    for _ in range(jobs):
        began = time.monotonic()
        ids.append(await server.submit(wasm_job()))
        accepted_ms.append((time.monotonic() - began) * 1e3)
        await server.until_ended(ids[-1])
        done_ms.append((time.monotonic() - began) * 1e3)
    first_ms = _first_instructions_ms(data_dir, ids)
    return [
        (f"wasm, warm: submit to accepted, {what}", _spread(accepted_ms), ""),
        (f"wasm, warm: submit to first instruction, {what}", _spread(first_ms), ""),
        (f"wasm, warm: submit to done, {what}", _spread(done_ms), "30 ms p50"),
    ]


def _first_instructions_ms(data_dir: Path, ids: list[str]) -> list[float]:
    """From when the job was accepted to when its program was started, as the events of the jobs have it."""
    found = []
    with store_of(settings_from(data_dir=str(data_dir))) as store:
        for job_id in ids:
            events = [event for _, event in store.events(job_id)]
            submitted = next(one.at for one in events if isinstance(one, Submitted))
            running = next(one.at for one in events if isinstance(one, PhaseEntered) and one.phase is Phase.RUNNING)
            found.append((running - submitted) * 1e3)
    return found


async def _rate(server: Server, jobs: int) -> Row:
    began = time.monotonic()
    await asyncio.gather(*(server.submit(wasm_job()) for _ in range(jobs)))
    accepted = time.monotonic() - began
    while any(await server.running()):  # noqa: ASYNC110 - the server is another process
        await asyncio.sleep(0.05)
    seconds = time.monotonic() - began
    seen = f"{jobs / seconds:.0f} (accepted {jobs / accepted:.0f})"
    return (f"no-op jobs accepted and finished a second, of {jobs}", seen, "100")


async def _page_ms(server: Server) -> float:
    times = []
    for _ in range(10):
        began = time.monotonic()
        if not await server.page():
            raise RuntimeError("the list is empty")
        times.append((time.monotonic() - began) * 1e3)
    return statistics.median(times)


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{statistics.median(ordered):.1f} ms p50, {ordered[int(len(ordered) * 0.9)]:.1f} ms p90"


def _table(rows: list[Row]) -> str:
    lines = ["| measured | seen | must |", "|---|---|---|", *(f"| {what} | {seen} | {must} |" for what, seen, must in rows)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description="Measure the server.")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name}, too")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--load-only", type=int, metavar="SECONDS", help="only the steady load, for so long")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gadus-bench-") as room:
        if chosen.load_only:
            rows = uvloop.run(load.measure(Path(room), rate=load.RATE, seconds=chosen.load_only))
        else:
            amounts = Amounts(20, 100, 10_000, 100, 10) if chosen.quick else Amounts()
            rows = uvloop.run(measure(Path(room), amounts))
    print(_table(rows))
    if chosen.write:
        before, _, _ = DOCUMENT.read_text().partition("| measured |")
        DOCUMENT.write_text(before + _table(rows))


if __name__ == "__main__":
    main()
