"""Who gives wrong passwords must wait, longer each time: a guess costs more than the one before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gadus.core.errors import Busy

_FREE_TRIES = 5
_LONGEST_SECONDS = 300.0
_MOST_CLIENTS = 10_000


class Attempts:
    """Failed sign-ins by client address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, client: str) -> None:
        """Raises Busy for a client that has to wait."""
        _, until = self._failed.get(client, (0, 0.0))
        left_seconds = until - self._clock()
        if left_seconds > 0:
            raise Busy(
                "too many failed sign-ins from this address",
                hint=f"try again in {left_seconds:.0f} seconds",
                retry_after_seconds=left_seconds,
            )

    def failed(self, client: str) -> None:
        """One more wrong password from this client."""
        count = self._failed.pop(client, (0, 0.0))[0] + 1
        pause = min(2.0 ** (count - _FREE_TRIES), _LONGEST_SECONDS) if count >= _FREE_TRIES else 0.0
        self._failed[client] = (count, self._clock() + pause)
        if len(self._failed) > _MOST_CLIENTS:
            self._failed.popitem(last=False)

    def succeeded(self, client: str) -> None:
        """It was right: forget the wrong ones."""
        self._failed.pop(client, None)
