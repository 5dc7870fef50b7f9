"""What happens to the jobs of a server, told to its log, its figures and its traces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gadus.contracts import Reporter
from gadus.core import errors
from gadus.core.job import Ended, Event, Execution, Job, Phase, Placed, Vacancy

from . import spans
from .lines import note
from .metrics import Metrics, one_of
from .receipts import inputs_of, seconds_of
from .times import Times

if TYPE_CHECKING:
    from .traces import Traces

_KINDS = frozenset(name for name, one in vars(errors).items() if isinstance(one, type)) | {"NodeLost", "Stopped"}
S3_CAUSES = ("throttled", "failing", "connection", "denied", "missing", "refused")


class JobsSeen:
    """A `Watcher` of everything that a server drives."""

    def __init__(self, metrics: Metrics, traces: Traces | None = None) -> None:
        self._metrics = metrics
        self._traces = traces
        self._times: dict[str, Times] = {}

    def reporter(self, execution: Execution) -> Reporter:
        """See `Watcher`."""
        return self._times.setdefault(execution.id, Times())

    def changed(self, job: Job) -> None:
        """See `Watcher`: what other processes do to jobs is told by them."""

    def happened(self, before: Job | None, job: Job, events: Sequence[Event]) -> None:
        """See `Watcher`."""
        for event in events:
            self._metrics.events.labels(event.kind).inc()
            match event:
                case Placed() if before is not None:
                    self._placed(job, event, next((one for one in before.vacancies if one.id == event.execution_id), None))
                case Ended() if before is not None and any(one.id == event.execution_id for one in before.live):
                    self._ended(job, event)
        self._job(before, job)

    def _job(self, before: Job | None, job: Job) -> None:
        if before is None:
            note("job submitted", job=job.id, name=job.spec.name, type=job.spec.type, namespace=job.spec.namespace)
            self._trace(job, spans.submitted)
        if before is not None and before.state is job.state and before.edition == job.edition:
            return
        if before is not None and before.edition != job.edition:
            note("job renewed", job=job.id, version=job.edition)
            self._trace(job, spans.submitted)
        if not job.state.final:
            note(f"job {job.state.value}", logging.DEBUG if before is None else logging.INFO, job=job.id)
            return
        seconds = max(0.0, job.modified_at - job.begun_at)
        self._metrics.job_seconds.labels(job.state.value, job.spec.type).observe(seconds)
        note(f"job {job.state.value}", job=job.id, seconds=round(seconds, 3), message=job.message)
        self._trace(job, spans.over)

    def _placed(self, job: Job, event: Placed, vacancy: Vacancy | None) -> None:
        if vacancy is None:
            return
        seconds = max(0.0, event.at - max(vacancy.since, vacancy.not_before))
        self._metrics.queue_seconds.observe(seconds)
        note(
            "execution placed",
            logging.DEBUG,
            job=job.id,
            execution=event.execution_id,
            node=event.node,
            waited=round(seconds, 3),
        )
        self._trace(job, spans.placed, event, vacancy)

    def _ended(self, job: Job, event: Ended) -> None:
        times = self._times.pop(event.execution_id, Times()).entered
        execution = next((one for one in job.executions if one.id == event.execution_id), None)
        if execution is None:
            return
        self._count(job, execution, event, times)
        outcome, error = event.outcome, event.outcome.error
        ours = error is not None and (outcome.can_retry or error.kind == "Bug")
        note(
            "execution ended",
            logging.WARNING if ours else logging.INFO,
            job=job.id,
            execution=execution.id,
            node=execution.node,
            seconds=round(event.at - execution.created_at, 3),
            exit_code=outcome.exit_code,
            error=error.kind if error else "",
            message=error.message if error else "",
        )
        if execution.edition == job.edition:
            self._trace(job, spans.ended, execution, event, times)

    def _trace(self, job: Job, told: Callable[..., Iterable[spans.Span]], *about: Any) -> None:
        if self._traces is not None:
            self._traces.send(job, told(job, *about))

    def _count(self, job: Job, execution: Execution, event: Ended, times: Mapping[Phase, float]) -> None:
        engine, outcome = job.spec.task.engine.name, event.outcome
        error = one_of(outcome.error.kind, _KINDS) if outcome.error else ""
        self._metrics.executions.labels(execution.state.value, engine, error).inc()
        for phase, seconds in seconds_of(outcome, event.at, times).items():
            self._metrics.phase_seconds.labels(phase, engine).observe(seconds)
        for source, one in inputs_of(job, outcome):
            self._metrics.staged_bytes.labels(source).inc(one["fetched_bytes"])
            self._metrics.cache_misses.inc(one["fetched_objects"])
            self._metrics.cache_hits.inc(one["objects"] - one["fetched_objects"])
        for cause, number in outcome.receipt.get("source_errors", {}).items():
            self._metrics.s3_errors.labels(one_of(cause, S3_CAUSES)).inc(number)
