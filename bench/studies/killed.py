"""W14: a run is killed when half of the bytes have come, and the next one goes on."""

from __future__ import annotations

import time
from pathlib import Path

from bench.measure import Run, begin, kill, started
from bench.peers.all import GADUS
from bench.peers.peer import Place
from bench.shaping.traffic import Traffic
from bench.stand import Stand
from bench.workloads import BUCKET
from gadus.core.errors import Unavailable

from .study import Measured, Round

KILLED = "killed"
CONTINUED = "continued"
ROUNDS = 2
LOOK_SECONDS = 0.005


def continue_killed(stand: Stand, rounds: int) -> Measured:
    """Each round: a run ended by SIGKILL at half of the bytes, and one that continues in the same directory."""
    measured: list[Round] = []
    for number in range(min(rounds, ROUNDS)):
        stand.seed = number
        with stand.directory("gadus") as directory:
            killed = _killed_at_half(stand, directory)
            measured.append({KILLED: killed, CONTINUED: stand.fetch_into(directory, counted=True).run})
    return Measured(measured)


def _killed_at_half(stand: Stand, directory: Path) -> Run:
    """Of the killed run only the seconds and the traffic are known; `in_flight` is of the moment before."""
    data = stand.workload.data
    server = stand.server(counted=True)
    stand.proxy.start(stand.seed)
    command = GADUS.command(Place(server.endpoint, BUCKET, data.prefix, directory))
    with started(command, server=server) as process:
        try:
            begin(process)
            start = time.monotonic()
            seen = Traffic()
            while seen.body_bytes < data.total_bytes // 2:
                if process.poll() is not None:
                    raise Unavailable("gadus ended before half of the bytes had come", hint=str(process.communicate())[-2000:])
                time.sleep(LOOK_SECONDS)
                seen = stand.proxy.traffic()
        finally:
            kill(process)
    traffic = stand.proxy.traffic()
    traffic.in_flight = seen.in_flight
    seconds = time.monotonic() - start
    run = Run(seconds, seconds, 0.0, 0, data.objects, data.total_bytes, traffic=traffic)
    stand.tell(KILLED, run)
    return run
