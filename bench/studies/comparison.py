"""W1–W5: every client fetches the same, one after the other, round after round."""

from __future__ import annotations

import time

from bench.measure import Run
from bench.peers.all import GADUS
from bench.stand import Stand

from .study import Measured, Round

OTHERS_ROUNDS = 2
LONG_SECONDS = 5.0
STUDY_SECONDS = 400.0
FEWEST_ROUNDS = 3


def compare(stand: Stand, rounds: int) -> Measured:
    """
    So many rounds; the order of the clients rotates.

    The leading ones take part in each, the others in the first two, or in one if that took long. On a machine that is too
    slow for all rounds, there are three at least, and no more once the time for a study is over.
    """
    measured: list[Round] = []
    long: set[str] = set()
    start = time.monotonic()
    while len(measured) < rounds and (len(measured) < FEWEST_ROUNDS or time.monotonic() - start < STUDY_SECONDS):
        number = stand.seed = len(measured)
        taking_part = [peer for peer in stand.peers if peer.leading or (number < OTHERS_ROUNDS and peer.name not in long)]
        turn = number % len(taking_part)
        runs: dict[str, Run] = {}
        for peer in taking_part[turn:] + taking_part[:turn]:
            runs[peer.name] = run = stand.fetch(peer)
            if run.wall_seconds > LONG_SECONDS:
                long.add(peer.name)
        measured.append(runs)
    return Measured(measured, {} if stand.distant else _counted(stand))


def _counted(stand: Stand) -> Round:
    """One more run of each, through a proxy that only counts: Gadus in full, the others on a part."""
    print("  once more, to count requests and bytes:", flush=True)
    whole, few = stand.workload.data, stand.workload.few
    return {peer.name: stand.fetch(peer, counted=True, data=whole if peer is GADUS else few) for peer in stand.peers}
