"""A collector that speaks OTLP over HTTP, and keeps what it was sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


@dataclass(frozen=True)
class Seen:
    name: str
    trace: str
    id: str
    parent: str
    start: float
    end: float
    about: dict[str, Any]
    trouble: str
    service: str


@dataclass
class Collector:
    endpoint: str = ""
    spans: list[Seen] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def of(self, job_id: str) -> dict[str, list[Seen]]:
        """The spans of the trace of a job, by name."""
        traces = {span.trace for span in self.spans if span.about.get("gadus.job.id") == job_id}
        found: dict[str, list[Seen]] = {}
        for span in self.spans:
            if span.trace in traces:
                found.setdefault(span.name, []).append(span)
        return found


@contextmanager
def collector() -> Iterator[Collector]:
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            kept.paths.add(self.path)
            kept.spans += seen_in(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


def seen_in(request: ExportTraceServiceRequest) -> Iterator[Seen]:
    for resource in request.resource_spans:
        facts = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                about = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
                yield Seen(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano / 1e9,
                    span.end_time_unix_nano / 1e9,
                    about,
                    span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else "",
                    facts["service.name"],
                )
