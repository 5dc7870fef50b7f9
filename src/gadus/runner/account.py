"""What is known of an execution while it goes on: the receipt of one that fails tells as much as there was."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any


class Account:
    """Seconds by phase, and the receipt as soon as there is one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.receipt: dict[str, Any] = {}

    @asynccontextmanager
    async def measuring(self, phase: str) -> AsyncIterator[None]:
        """The block is this phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = time.monotonic() - start

    def so_far(self, source_errors: Mapping[str, int]) -> dict[str, Any]:
        """The receipt, or what there is of it."""
        told = self.receipt or {"seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()}}
        return told | ({"source_errors": dict(source_errors)} if source_errors else {})
