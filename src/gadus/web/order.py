"""Jobs in the order in which they changed: sorted anew for each page, among those that were created last."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from gadus.core.job import Job
from gadus.core.spec import Constraint
from gadus.orchestrator.service import Service

MOST_SORTED = 2000
"""So many of the jobs that were created last are sorted; what changed most recently is nearly always among them."""
_PAGE = 200
_PLACE = re.compile(r"modified_at:([YN]):([0-9]{1,9}):([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class ByChange:
    """Where a page of jobs begins in this order, and how long it is."""

    newest_first: bool
    limit: int
    start: int = 0

    @classmethod
    def of_token(cls, token: str) -> Self | None:
        """The place that a token names; None when it is a token of another order."""
        try:
            text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        except (binascii.Error, ValueError):
            return None
        found = _PLACE.fullmatch(text)
        return cls(newest_first=found[1] == "Y", limit=int(found[2]), start=int(found[3])) if found else None

    def page(
        self, service: Service, namespaces: frozenset[str] | None, labels: Sequence[Constraint]
    ) -> tuple[Sequence[Job], str]:
        """The jobs, and the token of the next page."""
        jobs: list[Job] = []
        after = ""
        while len(jobs) < MOST_SORTED:
            more, after = service.page(limit=_PAGE, after=after, namespaces=namespaces, labels=labels)
            jobs += more
            if not after:
                break
        jobs.sort(key=lambda job: (job.modified_at, job.id), reverse=self.newest_first)
        end = self.start + self.limit
        return jobs[self.start : end], self._token(end) if end < len(jobs) else ""

    def _token(self, start: int) -> str:
        text = f"modified_at:{'Y' if self.newest_first else 'N'}:{self.limit}:{start}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")
