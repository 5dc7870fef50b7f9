"""What the receipt of an ended execution says, as figures and traces need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gadus.core.job import Job, Outcome, Phase


def seconds_of(outcome: Outcome, ended_at: float, times: Mapping[Phase, float]) -> dict[str, float]:
    """How long each phase of an execution took, as far as it came."""
    seconds: dict[str, float] = dict(outcome.receipt.get("seconds", {}))
    if Phase.PUBLISHING in times:
        seconds["publishing"] = max(0.0, ended_at - times[Phase.PUBLISHING])
    return seconds


def inputs_of(job: Job, outcome: Outcome) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The type of the source of each input, and what the receipt says of the input."""
    sources = {one.target: one.source.name for one in job.spec.task.input_sources}
    for one in outcome.receipt.get("inputs", ()):
        if one["target"] in sources:
            yield sources[one["target"]], one
