"""Jobs in the order in which they changed."""

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

_PLACE = re.compile(r"modified_at:([YN]):([0-9]{1,9}):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class ByChange:
    """Where a page of jobs begins in this order, and how long it is: `start` is as the store tells it, 0 for the beginning."""

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
        jobs, after = service.page_by_change(
            limit=self.limit, after=self.start, newest_first=self.newest_first, namespaces=namespaces, labels=labels
        )
        return jobs, self._token(after) if after else ""

    def _token(self, start: int) -> str:
        text = f"modified_at:{'Y' if self.newest_first else 'N'}:{self.limit}:{start}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")
