"""Which nodes refused which jobs by a policy of their own, and why."""

from __future__ import annotations

from collections.abc import Mapping

_JOBS_KEPT = 10_000
"""Jobs, of which it is known who refused them: of those that were refused longest ago it may be no more."""


class Refusals:
    """The last word of each node on each job."""

    def __init__(self) -> None:
        self._reasons: dict[str, dict[str, str]] = {}

    def note(self, job_id: str, node_id: str, reason: str) -> None:
        """The node does not want the job."""
        self._reasons.setdefault(job_id, {})[node_id] = reason
        if len(self._reasons) > _JOBS_KEPT:
            del self._reasons[next(iter(self._reasons))]

    def lift(self, job_id: str, node_id: str) -> None:
        """The node takes the job after all."""
        self._reasons.get(job_id, {}).pop(node_id, None)

    def of(self, job_id: str) -> Mapping[str, str]:
        """The reasons against the job, by node."""
        return self._reasons.get(job_id, {})
