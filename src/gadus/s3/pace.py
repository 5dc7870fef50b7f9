"""
How many requests are in flight: more while that brings more, half when the service says it is too much.

    doubling ──no gain──▶ holding ──after a while──▶ one step up ──gain──▶ …
        └──────────── throttled: half, and a rest ────────────┘
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FEWEST = 1
FIRST = 24
MOST = 192
"""With a buffer each, this bounds the memory, too."""
_NOT_BEGUN = float("inf")
_LOOK_SECONDS = 0.5
_REST_SECONDS = 2.0
_HOLD_SECONDS = 5.0
_GAIN = 0.3
"""So much more throughput must twice the requests bring; less may be chance. Of a smaller step less is asked in proportion."""
_ANSWER_WORTH_BYTES = 128 << 10
"""What an answer costs a service, in bytes moved: small objects then count by their number, large ones by their size."""


class Pace:
    """The limit on requests in flight. Told by many threads of what was done; told twice at once, one is enough."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = FIRST
        self._clock = clock
        self._lock = threading.Lock()
        self._arrived = 0.0
        self._since = _NOT_BEGUN
        self._best = 0.0
        self._before = FIRST
        self._waiting_until = float("-inf")
        self._halved_at = float("-inf")

    def arrived(self, size_bytes: int) -> bool:
        """An answer, or a stretch of a long one, brought so much. True when the limit was raised by it."""
        # Not under the lock: losing one of thousands to a race moves nothing.
        self._arrived += size_bytes + _ANSWER_WORTH_BYTES
        now = self._clock()
        if self._since == _NOT_BEGUN:
            # From here on: until the first answer a service only gets under way.
            self._arrived, self._since = 0.0, now
        if now - self._since < _LOOK_SECONDS or not self._lock.acquire(blocking=False):
            return False
        try:
            return self._look(now)
        finally:
            self._lock.release()

    def throttled(self) -> None:
        """The service says that it is too much: half as many, once for all answers of the same moment."""
        with self._lock:
            now = self._clock()
            if now - self._halved_at > _LOOK_SECONDS:
                self._halved_at = now
                self.limit = self._before = max(FEWEST, self.limit // 2)
                self._hold(now, _REST_SECONDS)

    def idle(self) -> None:
        """Nothing is in flight: what was measured says nothing about what comes next."""
        with self._lock:
            self._hold(self._clock(), 0)
            self._since = _NOT_BEGUN

    def _look(self, now: float) -> bool:
        rate = self._arrived / (now - self._since)
        self._arrived = 0.0
        self._since = now
        if now < self._waiting_until:
            self._best = max(self._best, rate)
            return False
        if self.limit > self._before and rate < self._best * (1 + _GAIN * (self.limit / self._before - 1)):
            # The last step brought nothing.
            self.limit = self._before
            self._hold(now, _HOLD_SECONDS)
            return False
        self._best = rate
        self._before = self.limit
        self.limit = min(
            MOST, self.limit * 2 if now - self._halved_at > _HOLD_SECONDS else self.limit + max(1, self.limit // 8)
        )
        return self.limit > self._before

    def _hold(self, now: float, seconds: float) -> None:
        self._arrived = 0.0
        self._since = now
        self._best = 0.0
        self._waiting_until = now + seconds
