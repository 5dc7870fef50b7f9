"""Routes for those who look after the server: whether it lives, whether it can take work, and its figures."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gadus.core.errors import NotFound, StorageUnavailable
from gadus.threads import finished

from .answering import Rooms, answered, route
from .scoped import OPEN, ScopedRoute
from .space import free_space

_AGAIN_SECONDS = 5.0


class Health:
    """Answers requests for the state of the server."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [
            *(route(f"{before}/livez", scope=OPEN, GET=self.lives) for before in ("", prefix)),
            *(route(f"{before}/readyz", scope=OPEN, GET=self.ready) for before in ("", prefix)),
            *(route(f"{before}/healthz", scope="agent", GET=self.healthy) for before in ("", prefix)),
            route("/metrics", scope="agent", GET=self.metrics),
        ]

    async def lives(self, request: Request) -> Response:
        """Whether the process answers at all."""
        del request
        return PlainTextResponse("OK")

    async def ready(self, request: Request) -> Response:
        """Whether jobs can be taken: the store can be read and written, jobs are driven, and it is not about to end."""
        if self._rooms.closing.is_set():
            raise StorageUnavailable("the server is about to end", hint="ask another", retry_after_seconds=_AGAIN_SECONDS)
        if self._rooms.watching is not None and (trouble := await self._rooms.watching.ready.trouble()):
            raise StorageUnavailable(trouble, hint="the server's log has more", retry_after_seconds=_AGAIN_SECONDS)
        return answered(request, {"Status": "OK"})

    async def healthy(self, request: Request) -> Response:
        """Whether the store can be read, and how much runs and waits. Raises StorageUnavailable."""
        self._rooms.service.page(limit=1)
        server = self._rooms.server
        health = {"Status": "OK", "Running": server.follows, "Waiting": server.waiting, "FreeSpace": free_space()}
        return answered(request, health)

    async def metrics(self, request: Request) -> Response:
        """The figures, in the text form of Prometheus."""
        del request
        if self._rooms.watching is None:
            raise NotFound("figures are kept by a server only", hint="start one with `gadus serve`")
        jobs = await finished(self._rooms.service.counts)
        server, watching = self._rooms.server, self._rooms.watching
        text = watching.metrics.text(
            jobs,
            running=server.follows,
            waiting=server.waiting,
            readers=self._rooms.log_readers.number,
            dropped=watching.dropped(),
        )
        return Response(text, media_type=watching.metrics.content_type)
