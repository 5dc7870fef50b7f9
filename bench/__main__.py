"""``python -m bench [--quick] [--rounds N]``: fetch with every peer, verify every file, report."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gadus.testing.seaweedfs import S3Server, seaweedfs

from .peers import PEERS, ROOT, Peer, Place, Run, run
from .report import markdown
from .workloads import W1, W2, W3, W3_QUICK, Workload, digests_of, upload

BUCKET = "bench"
ROOM_BYTES = 4 << 30
REPORT = ROOT / "docs" / "benchmarks.md"


def main() -> None:
    wish = _wish(sys.argv[1:])
    known = {workload.id: workload for workload in (W1, W2, W3_QUICK if wish.quick else W3)}
    workloads = [known[name] for name in wish.workloads or known]
    rounds = wish.rounds or (3 if wish.quick else 5)
    with seaweedfs() as server, tempfile.TemporaryDirectory(prefix="gadus-bench-", dir=wish.directory) as room:
        server.client().create_bucket(Bucket=BUCKET)
        results = {
            workload: compare(workload, rounds, server=server, room=Path(room), slow_rounds=1 if wish.quick else rounds)
            for workload in workloads
        }
    text = markdown(results)
    print("\n" + text)
    if wish.write:
        REPORT.write_text(text)


def compare(workload: Workload, rounds: int, *, server: S3Server, room: Path, slow_rounds: int) -> list[Mapping[str, Run]]:
    """Every round of `workload`; the order of the peers rotates. Raises RuntimeError when a peer left a wrong tree."""
    print(f"{workload.id}: storing {workload.title} …", flush=True)
    digests = asyncio.run(upload(workload, server, BUCKET))
    measured: list[Mapping[str, Run]] = []
    for number in range(rounds):
        taking_part = [peer for peer in PEERS if not peer.slow or number < slow_rounds]
        turn = number % len(taking_part)
        order = taking_part[turn:] + taking_part[:turn]
        measured.append({peer.name: _measure(peer, workload, digests, server, room) for peer in order})
    return measured


def _measure(peer: Peer, workload: Workload, digests: Mapping[str, str], server: S3Server, room: Path) -> Run:
    directory = room / peer.name
    directory.mkdir()
    # Otherwise a run would pay for writing back what the one before it left.
    os.sync()
    measured = run(peer, Place(server.endpoint, BUCKET, workload.prefix, directory), server)
    if digests_of(measured.tree) != digests:
        raise RuntimeError(f"{peer.name} left a tree that is not {workload.id}")
    shutil.rmtree(directory)
    print(
        f"{workload.id}: {peer.name:7} {measured.seconds:6.2f} s, process {measured.wall_seconds:6.2f} s, "
        f"CPU {measured.cpu_seconds:6.2f} s",
        flush=True,
    )
    return measured


def _in_memory() -> str | None:
    """A directory in memory with room, so that no disk is measured; None for the system's own choice."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


def _wish(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare Gadus with other S3 clients.")
    parser.add_argument("--quick", action="store_true", help="smaller objects in W3, three rounds, one for slow clients")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of each workload (default 5, quick 3)")
    parser.add_argument("--workloads", nargs="*", choices=["W1", "W2", "W3"], help="only these")
    parser.add_argument("--directory", default=_in_memory(), help="where to put up to 2 GiB for a while (default: memory)")
    parser.add_argument("--write", action="store_true", help=f"also write the report to {REPORT.relative_to(ROOT)}")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
