"""Spans on their way to a collector that speaks OTLP. Nothing of OpenTelemetry is loaded before there is a collector."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from gadus.core.errors import Rejected
from gadus.core.job import Job

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, TraceFlags
    from opentelemetry.trace.status import Status, StatusCode
except ImportError as exc:
    raise Rejected(
        "an endpoint for traces is set, and what sends them is not installed", hint="pip install 'gadus[otel]'"
    ) from exc

from .lines import note
from .spans import Place, Span, place_of

_PATH = "/v1/traces"
_SPANS_WAITING = 8192
_AT_ONCE = 512
_EVERY_MILLISECONDS = 1000
_SEND_SECONDS = 5.0
_LAST_SECONDS = 3.0
"""So long is the collector waited for at the end."""


class Traces:
    """Takes spans at once, and sends them from a thread of its own; those that a slow collector leaves waiting are dropped."""

    def __init__(self, endpoint: str) -> None:
        """`endpoint` is the collector's address, with or without the path for traces."""
        # What goes wrong is told below, once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        address = endpoint if endpoint.endswith(_PATH) else endpoint.rstrip("/") + _PATH
        self._processor = BatchSpanProcessor(
            _TellingOnce(OTLPSpanExporter(endpoint=address, timeout=_SEND_SECONDS)),
            max_queue_size=_SPANS_WAITING,
            schedule_delay_millis=_EVERY_MILLISECONDS,
            max_export_batch_size=_AT_ONCE,
        )
        self._resource = Resource.create({"service.name": "gadus", "service.version": version("gadus")})
        self._scope = InstrumentationScope("gadus")

    def send(self, job: Job, spans: Iterable[Span]) -> None:
        """The spans belong to the trace of this job; nobody waits, and nothing is raised."""
        place = place_of(job)
        if place.is_sampled:
            for span in spans:
                self._processor.on_end(self._readable(place, span))

    def close(self) -> None:
        """Send what waits; a collector that does not answer is not waited for any longer than a moment."""
        ending = threading.Thread(target=self._processor.shutdown, name="last traces", daemon=True)
        ending.start()
        ending.join(_LAST_SECONDS)

    def _readable(self, place: Place, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(place, span.id),
            parent=_context(place, span.parent, is_remote=span.parent == place.parent) if span.parent else None,
            resource=self._resource,
            attributes=span.about,
            status=Status(StatusCode.ERROR, span.trouble) if span.trouble else Status(),
            start_time=int(span.start * 1e9),
            end_time=int(max(span.start, span.end) * 1e9),
            instrumentation_scope=self._scope,
        )


def _context(place: Place, span_id: str, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(place.trace, 16), int(span_id, 16), is_remote, TraceFlags(TraceFlags.SAMPLED))


@contextmanager
def traces_to(endpoint: str) -> Iterator[Traces]:
    """Sends while the block lasts."""
    traces = Traces(endpoint)
    try:
        yield traces
    finally:
        traces.close()


class _TellingOnce(SpanExporter):
    """Says that a collector takes nothing when that begins, and not again before it has taken something."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self._told = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._told:
            note(
                "traces cannot be sent",
                logging.WARNING,
                hint="look at GADUS_OTLP_ENDPOINT and at the collector; this is said once",
            )
        self._told = failed
        return result

    def shutdown(self) -> None:
        """See `SpanExporter`."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
