"""Routes that say what a caller must be allowed to, and turn away those that are not before anything of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from gadus.access.caller import ANYONE, Caller
from gadus.access.gate import Gate
from gadus.core.errors import Forbidden
from gadus.core.problem import clipped

from .errors import answer

OPEN = "open"
"""The scope of a route that needs none: it answers everybody."""
CALLER = "gadus.caller"
GATE = "gadus.gate"
ROUTE = "gadus.route"
"""The template that a request's path is of."""
_READING = ("GET", "HEAD", "OPTIONS")


class ScopedRoute(Route):
    """A route of requests; `scope` is ``job`` for reading and writing by method, ``read:job`` for one of both, or ``open``."""

    def __init__(self, path: str, endpoint: Any, *, scope: str, methods: Sequence[str], name: str | None = None) -> None:
        super().__init__(path, endpoint, methods=methods, name=name)
        self.scopes: Mapping[str, str] = {method: _needed(scope, method) for method in sorted(self.methods or ())}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, if its caller may ask. Raises HTTPException for another method than those it has."""
        scope[ROUTE] = self.path
        needed = self.scopes.get(scope["method"])
        if needed is None:
            raise HTTPException(405, headers={"Allow": ", ".join(self.scopes)})
        if await _refused(needed, scope, receive, send):
            return
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


class ScopedWebSocketRoute(WebSocketRoute):
    """A route of WebSockets; a caller that may not is told so instead of the upgrade."""

    def __init__(self, path: str, endpoint: Any, *, scope: str, name: str | None = None) -> None:
        super().__init__(path, endpoint, name=name)
        self.scopes: Mapping[str, str] = {"GET": _needed(scope, "GET")}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one WebSocket, if its caller may ask."""
        scope[ROUTE] = self.path
        if await _refused(self.scopes["GET"], scope, receive, send):
            return
        await self.endpoint(WebSocket(scope, receive, send))


AnyScoped = ScopedRoute | ScopedWebSocketRoute


def caller_of(request: HTTPConnection) -> Caller:
    """Who sent this request."""
    caller: Caller = request.scope.get(CALLER, ANYONE)
    return caller


def gate_of(request: HTTPConnection) -> Gate | None:
    """What let the caller in; None where there is no access control at all."""
    gate: Gate | None = request.scope.get(GATE)
    return gate


def permit(request: HTTPConnection, scope: str, namespace: str) -> None:
    """Raises Forbidden when the caller of `request` may not do this in that namespace."""
    caller = caller_of(request)
    if not caller.may(scope, namespace):
        own = ", ".join(sorted(caller.namespaces)) or "none"
        raise Forbidden(
            f"Namespace: {caller.name} may not use {clipped(namespace)!r} with the scope {scope}",
            hint=f"its namespaces are {own}: name one of them in the job, or ask for a token with --namespace",
        )


async def _refused(needed: str, scope: Scope, receive: Receive, send: Send) -> bool:
    caller: Caller = scope.get(CALLER, ANYONE)
    if needed == OPEN or caller.may(needed):
        return False
    what = f"{caller.name} may not do this: it needs the scope {needed}, and has {', '.join(sorted(caller.scopes)) or 'none'}"
    hint = f"ask for a token with --scope {needed}"
    await answer(HTTPConnection(scope), 403, "Forbidden", what, hint)(scope, receive, send)
    return True


def _needed(scope: str, method: str) -> str:
    if scope == OPEN or ":" in scope:
        return scope
    return f"{'read' if method in _READING else 'write'}:{scope}"
