"""How slow a service is: latencies drawn from a seed, a speed for each connection, requests a second, broken connections."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from .traffic import Kind

# The 99th percentile of a log-normal distribution is its median times exp(this × sigma).
NINETY_NINTH = 2.326
ADMITTED_KINDS = frozenset({Kind.WHOLE, Kind.RANGE, Kind.HEAD})


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds, log-normal by two of its percentiles."""

    median: float
    ninety_ninth: float

    def draw(self, source: random.Random) -> float:
        """One latency; always 0.0 when the median is."""
        if not self.median:
            return 0.0
        return self.median * math.exp(source.gauss(0.0, math.log(self.ninety_ninth / self.median) / NINETY_NINTH))


@dataclass(frozen=True, slots=True)
class Shape:
    """
    A service as its clients see it.

    `bytes_per_second` is of one connection, `requests_per_second` of one prefix, both without limit at 0.
    `resets` is the share of object bodies that break off.
    """

    first_byte: Latency = Latency(0.0, 0.0)
    list_page: Latency = Latency(0.0, 0.0)
    bytes_per_second: int = 0
    requests_per_second: int = 0
    resets: float = 0.0


SHAPES = {
    "raw": Shape(),
    "s3like": Shape(
        first_byte=Latency(0.028, 0.150),
        list_page=Latency(0.100, 0.200),
        bytes_per_second=85_000_000,
        requests_per_second=5_500,
        resets=0.001,
    ),
}


class Weather:
    """What a shape does to each request in turn: the same for the same seed and the same order of requests."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self._source = random.Random(seed)
        self._buckets: dict[bytes, tuple[float, float]] = {}

    def admits(self, prefix: bytes, kind: Kind, *, now: float) -> bool:
        """Whether one more request for `prefix` is within its rate: a token bucket that holds one second's worth."""
        rate = self.shape.requests_per_second
        if not rate or kind not in ADMITTED_KINDS:
            return True
        tokens, since = self._buckets.get(prefix, (float(rate), now))
        tokens = min(float(rate), tokens + (now - since) * rate)
        admitted = tokens >= 1.0
        self._buckets[prefix] = (tokens - admitted, now)
        return admitted

    def wait_seconds(self, kind: Kind) -> float:
        """From the request to the first byte of its answer."""
        return (self.shape.list_page if kind is Kind.LIST else self.shape.first_byte).draw(self._source)

    def cut_at(self, body_bytes: int) -> int | None:
        """After how many bytes the connection breaks; None for most bodies."""
        if not body_bytes or self._source.random() >= self.shape.resets:
            return None
        return self._source.randrange(body_bytes)
