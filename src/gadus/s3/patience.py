"""How often, and for how long, a service is asked again that does not answer now."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

THROTTLED = frozenset({429, 503})
TRANSIENT = THROTTLED | {500, 502, 504}


@dataclass(frozen=True, slots=True)
class Patience:
    """
    What is waited for, in seconds.

    `tries` are those in a row that may fail; throttling does not count as a failure, but may not last for longer than
    `throttled_seconds`. A connection that brings nothing for `stall_seconds` is given up. `longest_wish_seconds` is the most
    that a service may ask us to wait with ``Retry-After``.
    """

    tries: int = 5
    throttled_seconds: float = 120.0
    stall_seconds: float = 30.0
    first_pause_seconds: float = 0.2
    longest_pause_seconds: float = 5.0
    longest_wish_seconds: float = 30.0

    def pause_seconds(self, tried: int, wish: str = "") -> float:
        """
        How long to wait before the next try: exponential with full jitter, so that many clients do not come back together.

        `wish` is the service's own ``Retry-After``, in seconds; it is the least that is waited.
        """
        longest = min(self.longest_pause_seconds, self.first_pause_seconds * 2 ** min(tried, 30))
        least = float(wish) if wish.isascii() and wish.isdigit() else 0.0
        return min(least, self.longest_wish_seconds) + random.uniform(0, longest)  # noqa: S311 - not a secret


class Tries:
    """The tries of one request."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.succeeded()

    def succeeded(self) -> None:
        """It brought something: whatever goes wrong next is counted anew."""
        self._tried = 0
        self._failed = 0
        self._throttled_since = 0.0

    def seconds_until_next(self, status: int = 0, wish: str = "") -> float | None:
        """How long to wait after one more that was answered with `status`, 0 for no answer; None when it was the last."""
        self._tried += 1
        if status in THROTTLED:
            self._throttled_since = self._throttled_since or time.monotonic()
            if time.monotonic() - self._throttled_since > self._patience.throttled_seconds:
                return None
        else:
            self._failed += 1
            if self._failed >= self._patience.tries:
                return None
        return self._patience.pause_seconds(self._tried, wish)
