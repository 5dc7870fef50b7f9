"""The route that tells callers who they are to this server."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gadus.access.caller import ANYONE, Caller
from gadus.core.errors import Unauthorized

from .answering import Rooms, answered, route
from .scoped import OPEN, ScopedRoute
from .wire import Document


class Callers:
    """Answers requests of callers for themselves."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [route(f"{prefix}/auth/info", scope=OPEN, GET=self.info)]

    async def info(self, request: Request) -> Response:
        """
        Whether callers must say who they are, and who this one is; ``Reason`` says why nobody.

        Open, as who is not let in anywhere else wants to know why. What it says is about the caller alone.
        """
        gate = self._rooms.gate
        if gate is None:
            return answered(request, _told(ANYONE, required=False))
        client = request.client.host if request.client else ""
        try:
            found = await gate.caller(request.headers.get("authorization", ""), client)
        except Unauthorized as error:
            return answered(request, {"Required": True, "Caller": None, "Reason": error.message})
        return answered(request, _told(found, required=gate.closed))


def _told(caller: Caller, *, required: bool) -> Document:
    about = {"Name": caller.name, "Scopes": sorted(caller.scopes), "Namespaces": sorted(caller.namespaces)}
    return {"Required": required, "Caller": about, "Reason": ""}
