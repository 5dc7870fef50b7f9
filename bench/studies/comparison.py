"""W1–W5: every client fetches the same, one after the other, round after round."""

from __future__ import annotations

from bench.measure import Run
from bench.peers.all import GADUS
from bench.stand import Stand

from .study import Measured, Round

OTHERS_ROUNDS = 2
LONG_SECONDS = 20.0


def compare(stand: Stand, rounds: int) -> Measured:
    """
    All rounds; the order of the clients rotates.

    The leading ones take part in each, the others in the first two, or in one if that took long.
    """
    measured: list[Round] = []
    long: set[str] = set()
    for number in range(rounds):
        stand.seed = number
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
    workload = stand.workload
    part = workload.few if workload.large else workload.sample
    return {peer.name: stand.fetch(peer, counted=True, data=workload.data if peer is GADUS else part) for peer in stand.peers}
