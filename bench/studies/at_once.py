"""W9: eight jobs that need the same objects at the same moment, beside one."""

from __future__ import annotations

from pathlib import Path

from bench.content import digests_of
from bench.measure import Run, measure_at_once
from bench.peers.all import GADUS
from bench.peers.peer import Place
from bench.stand import Stand
from bench.workloads import BUCKET
from gadus.core.errors import ChecksumMismatch

from .study import Measured, Round

JOBS = 8
ONE_COLD, ONE_WARM = "one job, cold", "one job, warm"
EIGHT_COLD, EIGHT_WARM = "eight jobs, cold", "eight jobs, warm"
ROUNDS = 2


def at_once(stand: Stand, rounds: int) -> Measured:
    """Each round: one job cold and warm, then eight with a cache of their own cold and warm; all are counted."""
    measured: list[Round] = []
    for number in range(min(rounds, ROUNDS)):
        stand.seed = number
        runs: dict[str, Run] = {}
        for jobs, cold, warm in ((1, ONE_COLD, ONE_WARM), (JOBS, EIGHT_COLD, EIGHT_WARM)):
            with stand.directory("gadus") as directory:
                runs[cold] = _stage(stand, directory, jobs)
                runs[warm] = _stage(stand, directory, jobs)
        measured.append(runs)
    return Measured(measured)


def _stage(stand: Stand, directory: Path, jobs: int) -> Run:
    """So many jobs from the same moment on, as one: until the last has ended, the CPU time of all, the largest process."""
    data = stand.workload.data
    server = stand.server(counted=True)
    command = GADUS.command(Place(server.endpoint, BUCKET, data.prefix, directory))
    stand.proxy.start(stand.seed)
    finished = measure_at_once([command] * jobs, server=server)
    traffic = stand.proxy.traffic()
    for tree in {one.tree for one in finished if one.tree}:
        if digests_of(tree) != stand.digests[data.name]:
            raise ChecksumMismatch(f"gadus left a tree that is not {data.name}", hint=str(tree))
    run = Run(
        seconds=max(one.run.seconds for one in finished),
        wall_seconds=max(one.run.wall_seconds for one in finished),
        cpu_seconds=sum(one.run.cpu_seconds for one in finished),
        peak_bytes=max(one.run.peak_bytes for one in finished),
        objects=data.objects,
        size_bytes=data.total_bytes,
        traffic=traffic,
    )
    stand.tell(f"{jobs} at once", run)
    return run
