"""The web application: every route, one form for every error, and what is checked of every request."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gadus.core.ids import new_uuid
from gadus.watch.context import request_id, traceparent, traceparent_in

from .agent import Agent
from .answering import SLASH, Rooms
from .archive import Archives
from .auth import Auth
from .callers import Callers
from .changes import Changes
from .describing import Describing
from .dispatch import STARTED, Dispatch
from .fleet import Fleet
from .guard import Guard
from .heads import heads_of
from .jobs import Jobs
from .legacy import Legacy
from .logs import Logs
from .metrics import Health
from .parts import JobParts
from .pins import Pins
from .plans import Plans
from .proving import Proving
from .scoped import AnyScoped
from .versions import VERSION_HEADERS, Versions

PREFIX = "/api/v1"
_MARKS = [*VERSION_HEADERS, (b"x-content-type-options", b"nosniff")]
_HEADS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_REQUEST_ID = re.compile(r"[-A-Za-z0-9_.:]{1,64}")


def application(rooms: Rooms) -> ASGIApp:
    """The routes over a running server."""
    routes = routes_of(rooms)
    return _Outside(Guard(Versions(Dispatch(routes)), routes, rooms.gate, rooms.hosts))


def routes_of(rooms: Rooms) -> list[AnyScoped]:
    """Every route."""
    parts, agent = JobParts(rooms), Agent(rooms)
    answering = (
        *(Changes(rooms), Plans(rooms), Jobs(rooms, parts), parts, Archives(rooms), Pins(rooms), Logs(rooms)),
        *(Fleet(rooms), agent, Callers(rooms), Auth(Proving(rooms, agent.own_id)), Legacy(agent), Describing(lambda: routes)),
        Health(rooms),
    )
    routes = [route for one in answering for route in one.routes(PREFIX)]
    return routes


class _Outside:
    """Gives each request an id, reads its path as it was meant, and marks what is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = heads_of(scope)
        given = headers.get("x-request-id", "")
        scope["path"] = _path_meant(scope["raw_path"].decode("ascii", "replace"))
        scope["gadus.request_id"] = given if _REQUEST_ID.fullmatch(given) else new_uuid()
        request_id.set(scope["gadus.request_id"])
        traceparent.set(traceparent_in(headers.get("traceparent", "")))
        marks = [*_MARKS, (b"x-request-id", scope["gadus.request_id"].encode())]

        async def send_marked(message: Message) -> None:
            if message["type"] in _HEADS:
                scope[STARTED] = True
                message["headers"] = [*message.get("headers", ()), *marks]
            await send(message)

        await self._app(scope, receive, send_marked)


def _path_meant(raw: str) -> str:
    """As it is in the request line: a slash that is written %2F belongs to a name."""
    if "%" not in raw:
        return raw
    return "/".join(unquote(part).replace("/", SLASH) for part in raw.split("/"))
