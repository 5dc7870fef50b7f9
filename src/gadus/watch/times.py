"""When an execution entered its phases: told by its node, also to a server that found it again."""

from __future__ import annotations

import time

from gadus.contracts import Silent
from gadus.core.job import Phase


class Times(Silent):
    """A `Reporter` that notes the Unix time of each phase."""

    def __init__(self) -> None:
        self.entered: dict[Phase, float] = {}

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
        """See `Reporter.phase`; what is told again changes nothing."""
        self.entered.setdefault(phase, at or time.time())
