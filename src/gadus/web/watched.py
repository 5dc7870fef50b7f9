"""Every request, in the log and in the figures of the server: its route, and neither headers nor what it asks for."""

from __future__ import annotations

import logging
import time
from functools import cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gadus.watch.lines import note
from gadus.watch.metrics import METHODS, Metrics, one_of

from .answering import SLASH
from .scoped import CALLER, ROUTE

NO_ROUTE = "none"
_NOT_ANSWERED = 499
"""Of a client that left before."""
_UPGRADED = 101
_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_OFTEN = ("/livez", "/readyz", "/healthz", "/metrics")


class Watched:
    """An application whose requests are counted, timed and noted."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        # Looked up once: there are few routes, methods and statuses.
        self._counter = cache(lambda route, method, status: metrics.requests.labels(route, method, str(status)))
        self._timer = cache(metrics.request_seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        status, sent, started = _NOT_ANSWERED, 0, time.monotonic()

        async def send_counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] in _STARTS:
                status = message.get("status", _UPGRADED)
            sent += len(message.get("body") or message.get("text") or message.get("bytes") or b"")
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            self._tell(scope, status, sent, time.monotonic() - started)

    def _tell(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        route = scope.get(ROUTE, NO_ROUTE)
        # A WebSocket begins as a GET.
        method = one_of(scope.get("method", "GET"), METHODS)
        self._counter(route, method, status).inc()
        if scope["type"] == "http" and not scope.get("gadus.follows"):
            self._timer(route).observe(seconds)
        quiet = route.endswith(_OFTEN) and status < 500
        note(
            "request",
            logging.DEBUG if quiet else logging.WARNING if status >= 500 else logging.INFO,
            method=method,
            route=route,
            job=scope.get("path_params", {}).get("job", "").replace(SLASH, "/"),
            status=status,
            ms=round(seconds * 1000, 1),
            bytes=sent,
            caller=getattr(scope.get(CALLER), "name", ""),
        )
