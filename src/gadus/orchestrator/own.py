"""What this process changed itself: of what the store tells as changed, it has nothing to learn from that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gadus.core.job import Job


class Own:
    """The versions that this process gave to jobs, since the look before the last one."""

    def __init__(self) -> None:
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    @contextmanager
    def giving(self, job: Job) -> Iterator[None]:
        """The job gets this version by an event of ours, which is written in the block; it raises when that cannot be."""
        # Before, since a look may see what is written before who wrote it hears of that.
        self._now[job.id] = job.version
        try:
            yield
        except BaseException:
            # To look at a job once more than needed harms nobody.
            self._now.pop(job.id, None)
            self._before.pop(job.id, None)
            raise

    def left_of(self, changed: Sequence[tuple[int, str, int]]) -> list[str]:
        """The jobs of these changes (see `Store.changes`) that have a later version than we gave them."""
        left = [job_id for _, job_id, version in changed if self._version(job_id) < version]
        # What is written already may be noted only after this look: it is known at the next one, too.
        self._now, self._before = {}, self._now
        return left

    def _version(self, job_id: str) -> int:
        return self._now.get(job_id) or self._before.get(job_id) or 0
