"""What went wrong between this process and S3 services, by cause; also what a further try mended."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from .patience import THROTTLED

_BY_STATUS = {0: "connection", 401: "denied", 403: "denied", 404: "missing"}


class Troubles:
    """Counts, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, status: int = 0) -> None:
        """One request failed: with this status, or 0 when nothing was answered."""
        cause = "throttled" if status in THROTTLED else "failing" if status >= 500 else _BY_STATUS.get(status, "refused")
        with self._lock:
            self._counts[cause] += 1

    def taken(self) -> Mapping[str, int]:
        """All that was counted since this was asked last."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return counts
