"""Routes about the server itself."""

from __future__ import annotations

import os
import threading

from starlette.requests import Request
from starlette.responses import Response

from gadus.config.documents import described

from .answering import Rooms, answered, route
from .fleet import node_documents
from .nodes import requester_document, version_document
from .scoped import OPEN, ScopedRoute
from .wire import Document


class Agent:
    """Answers requests about the server."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [
            route(f"{prefix}/agent/alive", scope=OPEN, GET=self.alive),
            route(f"{prefix}/agent/version", scope=OPEN, GET=self.version),
            route(f"{prefix}/agent/node", scope="agent", GET=self.own_node),
            route(f"{prefix}/agent/debug", scope="agent", GET=self.debug),
            route(f"{prefix}/agent/config", scope="agent", GET=self.config),
            route(f"{prefix}/agent/authconfig", scope=OPEN, GET=self.auth_config),
        ]

    async def alive(self, request: Request) -> Response:
        return answered(request, {"Status": "OK"})

    async def version(self, request: Request) -> Response:
        return answered(request, version_document())

    async def own_node(self, request: Request) -> Response:
        """The node of this process, in the nested form of 1.4 and in the flat one of 1.6 at once."""
        own = self._own_document()
        return answered(request, own | own["Info"])

    async def debug(self, request: Request) -> Response:
        """What the server does at this moment, by its parts."""
        server = self._rooms.server
        executions = {"Running": server.follows, "Waiting": server.waiting}
        return answered(
            request, {"Executions": executions, "Process": {"ID": os.getpid(), "Threads": threading.active_count()}}
        )

    async def config(self, request: Request) -> Response:
        """The settings of this server; what may be a secret is masked."""
        return answered(request, {"config": described(self._rooms.settings)})

    async def auth_config(self, request: Request) -> Response:
        """Nobody signs in by way of another service."""
        return answered(request, {"Version": "1.0.0", "Config": {}})

    def own_id(self) -> str:
        """The id of the node of this process."""
        return str(self._own_document()["Info"]["NodeID"])

    def _own_document(self) -> Document:
        return next(iter(node_documents(self._rooms)), None) or requester_document(self._rooms.settings)
