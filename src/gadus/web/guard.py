"""Turns away whom the server does not answer, before anything but the head of a request was read."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gadus.access.caller import ANYONE, NOBODY, Caller
from gadus.access.gate import Gate
from gadus.core.errors import GadusError, Unauthorized
from gadus.core.problem import clipped

from .errors import answer, refusal
from .heads import heads_of
from .rates import Rates
from .scoped import CALLER, GATE, OPEN, AnyScoped, caller_of

_PORT = re.compile(r":[0-9]*\Z")
_LIVES = re.compile(r"(?:/api/v1)?/(?:livez|readyz)")

_LOOK_SECONDS = 1.0


class Guard:
    """
    Every request and every WebSocket passes here first.

    It must name the server by an address or a name of `hosts`, must not be sent by the page of another site, and must come from
    somebody whom `gate` lets in, unless the route is open; and not too often.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[AnyScoped],
        gate: Gate | None,
        hosts: Collection[str],
        rates: Rates | None = None,
    ) -> None:
        self._app = app
        self._gate = gate
        self._hosts = frozenset(host.lower() for host in hosts) | {"", "localhost"}
        open_ = [route for route in routes if _is_open(route)]
        self._open_paths = {route.path for route in open_ if not route.param_convertors}
        self._open_templates = [route.path_regex for route in open_ if route.param_convertors]
        self._rates = rates or Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or answer it with a refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = await self._refused(scope)
        if refused is not None:
            await refused(scope, receive, send)
        elif _streams(scope) and self._gate is not None:
            await self._while_granted(self._gate, scope, receive, send)
        elif _takes_room(scope):
            with self._rates.room():
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _refused(self, scope: Scope) -> Response | None:
        request, headers = HTTPConnection(scope), heads_of(scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            # Whoever stands before this server may have looked at another one of them than it does.
            return answer(request, 400, "BadRequest", "the request has several headers Host", "send one")
        if not self._is_ours(host):
            what = f"this server does not answer under the name {clipped(host)!r}"
            return answer(request, 403, "Forbidden", what, "use its address, or start it with --allowed-host NAME")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower() and "authorization" not in headers:
            what = f"a page of {clipped(origin)!r} may not use this server"
            return answer(request, 403, "Forbidden", what, "only pages of this server itself, and clients with a token, may")
        try:
            await self._let_in(scope, headers)
        except GadusError as error:
            return refusal(request, error)
        if self._rates.full and _takes_room(scope):
            what = "the server answers as many requests as it can at once"
            return answer(request, 503, "ServiceUnavailable", what, "try again in a second", {"Retry-After": "1"})
        return None

    async def _let_in(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Write into `scope` who asks. Raises Unauthorized, Busy, StorageUnavailable."""
        address = _address(scope)
        scope[CALLER], scope[GATE] = NOBODY, self._gate
        if self._gate is None:
            scope[CALLER] = ANYONE
        elif not self._is_open(scope["path"]):
            try:
                caller = await self._gate.caller(headers.get("authorization", ""), address)
            except Unauthorized:
                self._rates.count(address)
                scope[CALLER] = self._by_link(scope)
                if scope[CALLER] is None:
                    raise
                return
            scope[CALLER] = caller
            if caller is not ANYONE:
                self._rates.count(f"caller {caller.name}")
                return
        self._rates.count(address)

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or any(regex.match(path) for regex in self._open_templates)

    async def _while_granted(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for as long as the caller is who they said: what goes on for hours must end when a token is revoked."""
        answering = asyncio.ensure_future(self._app(scope, receive, send))
        try:
            while not answering.done():
                await asyncio.wait([answering], timeout=_LOOK_SECONDS)
                if not answering.done() and not await self._is_still_granted(gate, scope):
                    return
            await answering
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering

    async def _is_still_granted(self, gate: Gate, scope: Scope) -> bool:
        try:
            caller = await gate.caller(heads_of(scope).get("authorization", ""), _address(scope))
        except GadusError:
            return False
        return caller == caller_of(HTTPConnection(scope))

    def _by_link(self, scope: Scope) -> Caller | None:
        """Who holds a link to results: Bacalhau's client fetches them without a token."""
        if self._gate is None or scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        query = QueryParams(scope["query_string"])
        return self._gate.holder_of_link(scope["path"], query.get("expires", ""), query.get("seal", ""))

    def _is_ours(self, host: str) -> bool:
        """Another site's name that was made to point here is how its pages could read the answers."""
        name = _PORT.sub("", host).strip("[]").lower()
        return name in self._hosts or _is_address(name)


@lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _streams(scope: Scope) -> bool:
    """Whether an answer goes on for as long as a job: it is no request that others wait for."""
    path: str = scope["path"]
    return scope["type"] == "websocket" or path.endswith("/logs")


def _takes_room(scope: Scope) -> bool:
    """Whether a request counts as one of those at once. Who asks whether a full server lives must learn that it does."""
    return not (_streams(scope) or _LIVES.fullmatch(scope["path"]))


def _is_open(route: AnyScoped) -> bool:
    return all(scope == OPEN for scope in route.scopes.values())
