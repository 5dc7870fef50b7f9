"""W8: the same again, when it is in the cache: for another job, and for another execution of the same job."""

from __future__ import annotations

from bench.stand import Stand

from .study import Measured

COLD = "cold"
WARM = "warm"
RETRY = "another execution"


def warm(stand: Stand, rounds: int) -> Measured:
    """One cold run, then in each round a warm one and one that knows what the input is; all are counted."""
    with stand.directory("gadus") as directory:
        cold = stand.fetch_into(directory, counted=True).run
        runs = [
            {
                WARM: stand.fetch_into(directory, counted=True).run,
                RETRY: stand.fetch_into(directory, options=["--retry"], counted=True).run,
            }
            for _ in range(rounds)
        ]
    return Measured([{COLD: cold, **runs[0]}, *runs[1:]])
