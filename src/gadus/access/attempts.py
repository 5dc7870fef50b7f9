"""Who gives wrong passwords must wait, longer each time: a guess costs more than the one before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gadus.core.errors import Busy

_FREE_TRIES = 5
_LONGEST_SECONDS = 300.0
_LAST_DOUBLING = 9
"""A further one would be longer than the longest: for who goes on for days it is not computed at all."""
_FORGOTTEN_SECONDS = 3600.0
_MOST_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class _Failed:
    """Wrong passwords: how many, until when the client has to wait, and for which user; None for several."""

    count: int
    until: float
    user: str | None


class Attempts:
    """Failed sign-ins by client address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, _Failed] = OrderedDict()

    def check(self, client: str) -> None:
        """Raises Busy for a client that has to wait."""
        failed = self._failed.get(client)
        left_seconds = failed.until - self._clock() if failed else 0.0
        if left_seconds > 0:
            raise Busy(
                "too many failed sign-ins from this address",
                hint=f"try again in {left_seconds:.0f} seconds",
                retry_after_seconds=left_seconds,
            )

    def failed(self, client: str, user: str) -> None:
        """One more wrong password from this client."""
        now, before = self._clock(), self._failed.pop(client, None)
        if before is None or now - before.until > _FORGOTTEN_SECONDS:
            before = _Failed(0, now, user)
        doublings = min(before.count + 1 - _FREE_TRIES, _LAST_DOUBLING)
        pause = min(2.0**doublings, _LONGEST_SECONDS) if doublings >= 0 else 0.0
        self._failed[client] = _Failed(before.count + 1, now + pause, user if user == before.user else None)
        if len(self._failed) > _MOST_CLIENTS:
            self._failed.popitem(last=False)

    def succeeded(self, client: str, user: str) -> None:
        """It was right: forget the wrong ones, unless there were some of others. Whoever is a user could guess on otherwise."""
        failed = self._failed.get(client)
        if failed is not None and failed.user == user:
            del self._failed[client]
