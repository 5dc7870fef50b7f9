"""Routes about the server and its nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gadus.core.errors import Conflict, NotFound
from gadus.core.placement import unmet
from gadus.core.selector import parse_constraints

from .answering import Rooms, answered, route
from .nodes import availability, node_document, requester_document, version_document
from .query import Query
from .scoped import OPEN, ScopedRoute
from .wire import Document

_NODE_ORDERS: dict[str, Callable[[Document], Any]] = {
    "id": lambda one: one["Info"]["NodeID"],
    "type": lambda one: one["Info"]["NodeType"],
    "available_cpu": lambda one: -availability(one).get("CPU", 0),
    "available_memory": lambda one: -availability(one).get("Memory", 0),
    "available_disk": lambda one: -availability(one).get("Disk", 0),
    "available_gpu": lambda one: -availability(one).get("GPU", 0),
    "approval": lambda one: one["Membership"],
    "status": lambda one: one["Connection"],
}


class Agent:
    """Answers requests about the server and its nodes."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [
            route("/livez", scope=OPEN, GET=self.lives),
            route("/healthz", scope="agent", GET=self.healthy),
            route(f"{prefix}/livez", scope=OPEN, GET=self.lives),
            route(f"{prefix}/healthz", scope="agent", GET=self.healthy),
            route(f"{prefix}/agent/alive", scope=OPEN, GET=self.alive),
            route(f"{prefix}/agent/version", scope=OPEN, GET=self.version),
            route(f"{prefix}/agent/node", scope="agent", GET=self.own_node),
            route(f"{prefix}/orchestrator/nodes", scope="node", GET=self.nodes),
            route(f"{prefix}/orchestrator/nodes/{{node}}", scope="node", GET=self.node),
        ]

    async def lives(self, request: Request) -> Response:
        """Whether the process answers at all."""
        del request
        return PlainTextResponse("OK")

    async def healthy(self, request: Request) -> Response:
        """Whether the store can be read, and how much runs and waits. Raises StorageUnavailable."""
        self._rooms.service.page(limit=1)
        server = self._rooms.server
        return answered(request, {"Status": "OK", "Running": server.follows, "Waiting": server.waiting})

    async def alive(self, request: Request) -> Response:
        return answered(request, {"Status": "OK"})

    async def version(self, request: Request) -> Response:
        return answered(request, version_document())

    async def own_node(self, request: Request) -> Response:
        """The node of this process, in the nested form of 1.4 and in the flat one of 1.6 at once."""
        own = next(iter(self._documents()), None) or requester_document(self._rooms.settings)
        return answered(request, own | own["Info"])

    async def nodes(self, request: Request) -> Response:
        query = Query(request)
        order = _NODE_ORDERS[query.one_of("order_by", tuple(_NODE_ORDERS))]
        membership = query.text("filter-approval", "filter_approval").upper()
        connection = query.text("filter-status", "filter_status").upper()
        labels = parse_constraints(",".join(query.all("labels")))
        found = [
            one
            for one in self._documents()
            if membership in ("", one["Membership"])
            and connection in ("", one["Connection"])
            and not unmet(one["Info"]["Labels"], labels)
        ]
        found.sort(key=order, reverse=query.switch("reverse"))
        return answered(request, {"NextToken": "", "Nodes": found[: query.number("limit") or None]})

    async def node(self, request: Request) -> Response:
        wanted = request.path_params["node"]
        documents = {one["Info"]["NodeID"]: one for one in self._documents()}
        matching = [wanted] if wanted in documents else [name for name in documents if name.startswith(wanted)]
        if not matching:
            raise NotFound(f"node not found: {wanted}", hint="the route …/orchestrator/nodes has those there are")
        if len(matching) > 1:
            raise Conflict(f"multiple nodes found for {wanted!r}: {', '.join(matching)}", hint="give more of the id")
        return answered(request, {"Node": documents[matching[0]]})

    def _documents(self) -> list[Document]:
        server = self._rooms.server
        nodes = server.nodes()
        # What waits belongs to no node yet; where there is only one, it waits for that.
        waiting = server.waiting if len(nodes) == 1 else 0
        return [node_document(node, free, running, waiting) for node, free, running in nodes]
