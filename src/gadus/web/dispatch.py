"""Hands each request to the route that its path is of, and gives those that fail their answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from gadus.core.errors import GadusError

from .errors import told
from .scoped import AnyScoped, ScopedRoute

STARTED = "gadus.started"
"""Whether the head of the answer has left."""


class Dispatch:
    """
    The innermost application.

    A path without parameters is looked up and wins over templates; of these the first that fits is taken. Starlette's own
    routers and layers do the same for anything that may be put into them, at several times the cost of a small request.
    """

    def __init__(self, routes: Sequence[AnyScoped]) -> None:
        # Knows how to make addresses of routes.
        self._router = Router(routes)
        self._plain: dict[str, list[AnyScoped]] = {}
        self._templates: list[AnyScoped] = []
        for route in routes:
            if route.param_convertors:
                self._templates.append(route)
            else:
                self._plain.setdefault(route.path, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket. What is no error of ours is raised again when it was told, for the log."""
        scope["router"] = self._router
        try:
            await self._route(scope).handle(scope, receive, send)
        except (HTTPException, GadusError) as error:
            if scope.get(STARTED):
                raise
            await _tell(error, scope, receive, send)
            _forget_where(error)
        except Exception as defect:
            if not scope.get(STARTED):
                await _tell(defect, scope, receive, send)
            raise

    def _route(self, scope: Scope) -> AnyScoped:
        """The route, with the parameters of its path in `scope`; one of another method when there is no better."""
        other: AnyScoped | None = None
        for route in self._of_path(scope["path"]):
            if isinstance(route, ScopedRoute) is not (scope["type"] == "http"):
                continue
            if _method(scope) in route.scopes:
                break
            other = other or route
        else:
            if other is None:
                raise HTTPException(404)
            route = other
        found = route.path_regex.match(scope["path"])
        scope["path_params"] = found.groupdict() if found else {}
        return route

    def _of_path(self, path: str) -> Iterator[AnyScoped]:
        yield from self._plain.get(path, ())
        for route in self._templates:
            if route.path_regex.match(path):
                yield route


def _forget_where(error: BaseException | None) -> None:
    """Let go of the frames that an error and those before it came through: with them it would stay until it is looked for."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


async def _tell(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    request = Request({**scope, "type": "http", "method": _method(scope)})
    await (await told(request, error))(scope, receive, send)


def _method(scope: Scope) -> str:
    # A WebSocket begins as a GET.
    return str(scope.get("method", "GET"))
