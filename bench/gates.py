"""The promises about speed: what must be, what is aimed at, and what was measured. Lower is better in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gadus.core.units import format_bytes

from .content import MIB
from .measure import Run
from .peers.all import GADUS, S5CMD, SERIAL
from .peers.peer import Peer
from .results import Figure, Record, Results, cpu_seconds, median, seconds
from .studies.all import PROFILES
from .studies.at_once import EIGHT_COLD, ONE_COLD
from .studies.changed import CHANGED
from .studies.killed import CONTINUED, KILLED
from .studies.verified import OPENSSL, VERIFIED, then_summed
from .studies.warm import RETRY, WARM

KEYS_A_PAGE = 1000
COPIED = """most of Gadus' time is the kernel's, which copies every byte twice and finds fresh memory for it; Gadus sums
  the bytes besides, and its process starts a Python. s5cmd was not profiled."""
SHARED_CORES = """supposed, not measured: client and service share the cores, so the seconds follow the CPU time of
  both (see W1 CPU), and the spread is wide; a best peer of few rounds weighs as much as one of all."""
NO_CORE_TO_SPARE = """a SHA-256 takes a core for as long as `openssl dgst` does; the gate supposes one that neither the
  download nor the service needs. Where they share the cores, their times add up."""
EIGHT_PROCESSES = """supposed, not measured: eight processes have eight Pythons, buffers and event loops on the
  cores of the service; each byte is fetched once all the same."""


@dataclass(frozen=True, slots=True)
class Gate:
    """
    `samples` are one figure a round of the record `key`, or none at all; their median is to be at most `must`.

    `name` says what is divided by what; `limit` is what stands in the way where it is known, told when the gate is not met.
    """

    name: str
    key: str
    must: float
    aim: float
    samples: Callable[[Record], Sequence[float]]
    show: Callable[[float], str] = "{:.2f}".format
    limit: str = ""

    def measured(self, results: Results) -> Sequence[float]:
        record = results.get(self.key)
        return self.samples(record) if record else []

    def row(self, results: Results) -> list[str]:
        """Name, must, aim, measured, whether it is met ("yes", "NO", or that it was not measured), and the command."""
        record, samples = results.get(self.key), self.measured(results)
        promise = [self.name, self.show(self.must), self.show(self.aim)]
        if not record or not samples:
            return [*promise, "", "not measured", ""]
        figure = median(samples)
        around = f" ({self.show(min(samples))}–{self.show(max(samples))})" if len(samples) > 1 else ""
        met = "yes" if self.met(results) else "**NO**"
        return [*promise, self.show(figure) + around, met, f"`{record.command}`"]

    def met(self, results: Results) -> bool:
        """Whether it was measured, and holds."""
        samples = self.measured(results)
        return bool(samples) and median(samples) <= self.must


def gates() -> Iterator[Gate]:
    """All of them, in the order of the workloads."""
    yield from _large_objects()
    yield from _small_objects()
    yield from _verified()
    yield from _cached()
    for workload in ("W1", "W4"):
        yield Gate(f"{workload} peak memory", f"{workload}/raw", 300 * MIB, 150 * MIB, _each(GADUS.name, _peak), format_bytes)


def _large_objects() -> Iterator[Gate]:
    yield Gate("W1 CPU / s5cmd, raw", "W1/raw", 0.60, 0.40, _against(S5CMD, cpu_seconds), limit=COPIED)
    for workload in ("W1", "W2"):
        for profile in PROFILES:
            name = f"{workload} seconds / best peer, {profile}"
            yield Gate(name, f"{workload}/{profile}", 1.05, 0.90, _against_the_best, limit=SHARED_CORES)


def _small_objects() -> Iterator[Gate]:
    for workload in ("W3", "W4"):
        yield Gate(f"{workload} seconds / s5cmd, raw", f"{workload}/raw", 0.80, 0.50, _against(S5CMD))
    yield Gate("W3 CPU per object / s5cmd, raw", "W3/raw", 0.80, 0.40, _against(S5CMD, cpu_seconds))
    for workload in ("W3", "W4"):
        yield Gate(f"{workload} seconds / serial, s3like", f"{workload}/s3like", 0.05, 0.01, _against(SERIAL), "{:.3f}".format)
    for workload in ("W3", "W4"):
        yield Gate(f"{workload} requests per object", f"{workload}/raw", 1.00, 1.00, _requests_per_object, "{:.4f}".format)
        yield Gate(f"{workload} LIST requests per 1,000 objects", f"{workload}/raw", 1.00, 1.00, _lists)


def _verified() -> Iterator[Gate]:
    for workload in ("W1", "W3"):
        key, then = f"W7.{workload}/raw", _ratio(VERIFIED, then_summed(S5CMD))
        floor = f"W7 of {workload}: seconds / max(download, openssl)"
        yield Gate(floor, key, 1.10, 1.03, _over_the_floor, limit=NO_CORE_TO_SPARE)
        yield Gate(f"W7 of {workload}: seconds / (s5cmd, then sha256sum)", key, 0.80, 0.55, then)


def _cached() -> Iterator[Gate]:
    for workload in ("W1", "W4"):
        yield Gate(f"W8 of {workload}: body bytes moved", f"W8.{workload}/raw", 0, 0, _bytes_when_warm, format_bytes)
    yield Gate("W8 of W1: seconds, warm", "W8.W1/raw", 0.050, 0.005, _each(WARM, seconds), "{:.3f} s".format)
    again = "W8 of W4: seconds, warm, for another execution of the job"
    yield Gate(again, "W8.W4/raw", 0.050, 0.005, _each(RETRY, seconds), "{:.3f} s".format)
    for profile in PROFILES:
        key, all_bytes = f"W9/{profile}", _ratio(EIGHT_COLD, ONE_COLD, _body_bytes)
        yield Gate(f"W9 body bytes of eight jobs / one job, {profile}", key, 1.00, 1.00, all_bytes, "{:.4f}".format)
        eight = f"W9 seconds of eight jobs / one job, {profile}"
        yield Gate(eight, key, 1.20, 1.05, _ratio(EIGHT_COLD, ONE_COLD), limit=EIGHT_PROCESSES)
    yield Gate(
        "W13 objects fetched / objects changed", "W13/raw", 1.00, 1.00, _each(CHANGED, _fetched_per_object), "{:.4f}".format
    )
    for profile in PROFILES:
        yield Gate(f"W14 parts fetched again per connection, {profile}", f"W14/{profile}", 2, 2, _parts_again)


def _ratio(name: str, other: str, figure: Figure = seconds) -> Callable[[Record], Sequence[float]]:
    return lambda record: record.ratios(name, other, figure)


def _against(peer: Peer, figure: Figure = seconds) -> Callable[[Record], Sequence[float]]:
    return _ratio(GADUS.name, peer.name, figure)


def _each(name: str, figure: Figure) -> Callable[[Record], Sequence[float]]:
    return lambda record: [figure(run) for run in record.runs(name)]


def best_peer(record: Record) -> str:
    """Who, other than Gadus, needs the fewest seconds beside it; "" when nobody took part."""
    others = [name for name in record.names if name != GADUS.name and record.ratios(GADUS.name, name)]
    return max(others, key=lambda name: median(record.ratios(GADUS.name, name)), default="")


def _against_the_best(record: Record) -> Sequence[float]:
    return record.ratios(GADUS.name, best_peer(record))


def _peak(run: Run) -> float:
    return run.peak_bytes


def _body_bytes(run: Run) -> float:
    return run.traffic.body_bytes if run.traffic else math.nan


def _bytes_when_warm(record: Record) -> Sequence[float]:
    return [max(_body_bytes(run) for run in record.runs(WARM))]


def _fetched_per_object(run: Run) -> float:
    return (run.traffic.whole + run.traffic.range) / run.objects if run.traffic else math.nan


def _requests_per_object(record: Record) -> Sequence[float]:
    return [traffic.object_requests / run.objects for run, traffic in record.traffic(GADUS.name)]


def _lists(record: Record) -> Sequence[float]:
    return [traffic.list / math.ceil(run.objects / KEYS_A_PAGE) for run, traffic in record.traffic(GADUS.name)]


def _over_the_floor(record: Record) -> Sequence[float]:
    rounds = [one for one in record.measured.rounds if {VERIFIED, GADUS.name, OPENSSL} <= one.keys()]
    return [seconds(one[VERIFIED]) / max(seconds(one[GADUS.name]), seconds(one[OPENSSL])) for one in rounds]


def _parts_again(record: Record) -> Sequence[float]:
    """The bytes that came twice, in parts of the longest request, for each connection that had an answer under way."""
    samples = []
    for one in record.measured.rounds:
        killed, continued = one[KILLED], one[CONTINUED]
        if killed.traffic and continued.traffic:
            again = killed.traffic.body_bytes + continued.traffic.body_bytes - killed.size_bytes
            part_bytes = killed.traffic.longest_range_bytes or killed.size_bytes
            samples.append(max(0, again) / part_bytes / max(1, killed.traffic.in_flight))
    return samples
