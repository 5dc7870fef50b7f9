"""Routes of older clients and tools, which later versions of Bacalhau do not have."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gadus.core.errors import Conflict

from .agent import Agent
from .answering import answered, route
from .clients import swagger
from .nodes import version_document
from .scoped import OPEN, ScopedRoute

_GONE = "This endpoint is deprecated and gone: use those below /api/v1/orchestrator, see docs/reference/rest-api.md of Gadus"
_REQUESTER = ("list", "states", "results", "events", "submit", "cancel", "debug")


class Legacy:
    """Answers requests that are made in the old way."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def routes(self, prefix: str) -> list[ScopedRoute]:
        both = ("", prefix)
        return [
            route("/", scope=OPEN, GET=self.home),
            *(route(f"{start}/version", scope=OPEN, GET=self._agent.version, POST=self.version) for start in both),
            *(route(f"{start}/id", scope="agent", GET=self.own_id) for start in both),
            *(route(f"{start}/node_info", scope="agent", GET=self._agent.own_node) for start in both),
            *(route(f"{start}/requester/{name}", scope=OPEN, POST=self.gone) for start in both for name in _REQUESTER),
            *(route(f"{start}/requester/nodes", scope=OPEN, GET=self.gone) for start in both),
            *(route(f"{start}/requester/websocket/events", scope=OPEN, GET=self.gone) for start in both),
            route(f"{prefix}/compute/debug", scope="read:agent", GET=self._agent.debug, POST=self._agent.debug),
            route(f"{prefix}/compute/approve", scope="write:agent", GET=self.approve, POST=self.approve),
        ]

    async def home(self, request: Request) -> Response:
        """The version of the server, as text."""
        del request
        return PlainTextResponse(json.dumps(version_document()) + "\n")

    async def version(self, request: Request) -> Response:
        return answered(request, {"build_version_info": version_document()})

    async def own_id(self, request: Request) -> Response:
        """The id of the node of this process; a JSON string for generated clients."""
        own = self._agent.own_id()
        as_json = swagger(request) or "json" in request.headers.get("accept", "")
        return answered(request, own) if as_json else PlainTextResponse(own)

    async def gone(self, request: Request) -> Response:
        """What clients before 1.4 used."""
        del request
        return JSONResponse(_GONE, 410)

    async def approve(self, request: Request) -> Response:
        """Nothing waits for a person's approval here: jobs are placed by the rules of the node."""
        del request
        raise Conflict("no execution waits for approval", hint="the job selection policy of a node decides")
