"""W13: one key in a hundred is changed, and everything is staged again."""

from __future__ import annotations

from dataclasses import replace

from bench.stand import Stand, put

from .study import Measured

FIRST = "first"
CHANGED = "after the change"
EVERY = 100


def change(stand: Stand, rounds: int) -> Measured:
    """One round, however many are asked for: `objects` and `size_bytes` of the second run are of what had changed."""
    data = stand.workload.data
    with stand.directory("gadus") as directory:
        first = stand.fetch_into(directory, counted=True).run
        changed = put(data, stand.direct, every=EVERY, version=1)
        stand.digests[data.name].update(changed)
        again = stand.fetch_into(directory, counted=True).run
    again = replace(again, objects=len(changed), size_bytes=len(changed) * data.size_bytes)
    return Measured([{FIRST: first, CHANGED: again}][:rounds])
