"""The jobs that are kept whole in memory: those of which something runs, and some that ran just now."""

from __future__ import annotations

from collections.abc import Sequence

from gadus.core.job import Job

_IDLE_KEPT = 500
"""Jobs of which nothing runs: so many need not be read again when something happens to them."""


class Held:
    """Jobs by their ids. The store has every job: what is let go of here is read there."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def get(self, job_id: str) -> Job | None:
        """The job as it is now, if it is held."""
        return self._jobs.get(job_id)

    def put(self, job: Job) -> None:
        """The job is now this; the idle one that was changed longest ago may have to go."""
        self._jobs.pop(job.id, None)
        self._jobs[job.id] = job
        if len(self._jobs) > _IDLE_KEPT:
            idle = next((one for one in self._jobs.values() if not one.live and one.spec.type != "daemon"), None)
            if idle is not None:
                del self._jobs[idle.id]

    def all(self) -> Sequence[Job]:
        """Those that are held, the one that was changed longest ago first."""
        return list(self._jobs.values())
