"""The figures of a server, as Prometheus reads them. Every label has few values, whatever clients send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"})
OTHER = "other"

_WORK_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)
_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters since the start of the process; the gauges are set when they are asked for."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        # When each of them was made tells nobody anything, and is half of what is sent.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        self._jobs = Gauge("gadus_jobs", "Jobs in the store.", ("state", "type"), registry=registry)
        self._running = Gauge("gadus_executions_running", "Executions that run now.", registry=registry)
        self._waiting = Gauge("gadus_executions_waiting", "Executions that wait for room.", registry=registry)
        self._readers = Gauge("gadus_log_followers", "Clients that follow the logs of a job.", registry=registry)
        self._dropped = Counter("gadus_log_lines_dropped", "Lines of the server's log that nobody read.", registry=registry)
        self._dropped_known = 0

        self.events = Counter("gadus_events", "Events of jobs that this server remembered.", ("kind",), registry=registry)
        self.executions = Counter(
            "gadus_executions", "Executions that ended, by how.", ("state", "engine", "error"), registry=registry
        )
        self.job_seconds = Histogram(
            "gadus_job_seconds", "From submission to end.", ("state", "type"), buckets=_WORK_SECONDS, registry=registry
        )
        self.queue_seconds = Histogram(
            "gadus_queue_seconds", "How long executions waited for a place.", buckets=_WORK_SECONDS, registry=registry
        )
        self.phase_seconds = Histogram(
            "gadus_phase_seconds",
            "Phases of executions; staging and preparing run side by side.",
            ("phase", "engine"),
            buckets=_WORK_SECONDS,
            registry=registry,
        )
        self.staged_bytes = Counter(
            "gadus_staged_bytes", "Bytes of inputs that had to be fetched.", ("source",), registry=registry
        )
        self.cache_hits = Counter("gadus_cache_hits", "Objects of inputs that were in the cache.", registry=registry)
        self.cache_misses = Counter("gadus_cache_misses", "Objects of inputs that had to be fetched.", registry=registry)
        self.s3_errors = Counter(
            "gadus_s3_errors",
            "Requests to S3 that failed, also those that a further try mended.",
            ("cause",),
            registry=registry,
        )
        self.store_seconds = Histogram(
            "gadus_store_append_seconds",
            "One write of the job store, until it is on the disk.",
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )
        self.requests = Counter(
            "gadus_http_requests", "Requests that were answered.", ("route", "method", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "gadus_http_seconds",
            "Until a request was answered whole; those that follow something are left out.",
            ("route",),
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )

    def text(self, jobs: Mapping[tuple[str, str], int], *, running: int, waiting: int, readers: int, dropped: int) -> bytes:
        """All figures; `jobs` counts them by (type, state)."""
        self._jobs.clear()
        for (kind, state), number in jobs.items():
            self._jobs.labels(state, kind).set(number)
        self._running.set(running)
        self._waiting.set(waiting)
        self._readers.set(readers)
        self._dropped.inc(dropped - self._dropped_known)
        self._dropped_known = dropped
        return generate_latest(self._registry)

    def took(self, seconds: float) -> None:
        """One write of the job store."""
        self.store_seconds.observe(seconds)


def one_of(name: str, known: Iterable[str]) -> str:
    """A label that cannot become many: `name` if it is known."""
    return name if name in known else OTHER
