"""How much one client, and all together, may ask at once: who asks without pause must not be in the way of others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gadus.core.errors import Busy

REQUESTS_PER_SECOND = 1000.0
BURST = 2000.0
MOST_AT_ONCE = 256
_MOST_CLIENTS = 10_000


class Rates:
    """A bucket for each client, which fills with time and is emptied by requests; and room for requests at once."""

    def __init__(
        self,
        *,
        per_second: float = REQUESTS_PER_SECOND,
        burst: float = BURST,
        at_once: int = MOST_AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._at_once = at_once
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.now = 0

    def count(self, client: str) -> None:
        """One more request of this client. Raises Busy for more than it may send."""
        at = self._clock()
        left, since = self._buckets.pop(client, (self._burst, at))
        left = min(self._burst, left + (at - since) * self._per_second)
        self._buckets[client] = (max(left - 1.0, 0.0), at)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if left < 1.0:
            what = f"more than {self._per_second:.0f} requests a second from one client"
            raise Busy(what, hint="wait as long as the header Retry-After says", retry_after_seconds=1.0 / self._per_second)

    @property
    def full(self) -> bool:
        """Whether there is no room for another request."""
        return self.now >= self._at_once

    @contextmanager
    def room(self) -> Iterator[None]:
        """Room for one request while the block lasts."""
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1
