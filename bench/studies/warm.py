"""W8: the same again, when it is in the cache."""

from __future__ import annotations

from bench.stand import Stand

from .study import Measured

COLD = "cold"
WARM = "warm"


def warm(stand: Stand, rounds: int) -> Measured:
    """One cold run, then a warm one in each round; all are counted."""
    with stand.directory("gadus") as directory:
        cold = stand.fetch_into(directory, counted=True).run
        runs = [{WARM: stand.fetch_into(directory, counted=True).run} for _ in range(rounds)]
    return Measured([{COLD: cold, **runs[0]}, *runs[1:]])
