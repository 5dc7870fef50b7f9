"""Routes of the nodes: those there are, one of them, and what cannot be changed about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gadus.core.errors import Conflict, GadusError, InvalidSpec, NotFound
from gadus.core.placement import unmet
from gadus.core.problem import clipped
from gadus.core.selector import parse_constraints

from .answering import Rooms, answered, route
from .bodies import body_of
from .clients import is_1_4, swagger
from .nodes import availability, node_document
from .query import Query
from .scoped import ScopedRoute
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


_ACTIONS = ("approve", "reject", "delete")


class Fleet:
    """Answers requests about nodes."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        nodes = f"{prefix}/orchestrator/nodes"
        return [
            route(nodes, scope="node", GET=self.nodes, POST=self.change),
            route(f"{nodes}/{{node}}", scope="node", GET=self.node, PUT=self.change),
        ]

    async def nodes(self, request: Request) -> Response:
        query = Query(request)
        order = _NODE_ORDERS[query.one_of("order_by", tuple(_NODE_ORDERS))]
        membership = query.text("filter-approval", "filter_approval").upper()
        connection = query.text("filter-status", "filter_status").upper()
        labels = parse_constraints(",".join(query.all("labels")))
        found = [
            one
            for one in node_documents(self._rooms)
            if membership in ("", one["Membership"])
            and connection in ("", one["Connection"])
            and not unmet(one["Info"]["Labels"], labels)
        ]
        found.sort(key=order, reverse=query.switch("reverse"))
        return _answered(request, {"NextToken": "", "Nodes": found[: query.number("limit") or None]})

    async def node(self, request: Request) -> Response:
        return _answered(request, {"Node": self._found(request.path_params["node"])})

    async def change(self, request: Request) -> Response:
        """
        Approve, reject or delete a node: nothing that could be done here, where the only node is that of the server itself.

        Clients of 1.4 learn so from a document of success, others from an error.
        """
        body = await body_of(request)
        action = body.text("Action").lower()
        if action not in _ACTIONS:
            raise InvalidSpec([f"Action: {clipped(repr(action))} is not known; use {', '.join(_ACTIONS)}"])
        try:
            node = self._found(request.path_params.get("node") or body.text("NodeID"))
            raise _refusal(action, node["Info"]["NodeID"])
        except GadusError as error:
            if not is_1_4(request):
                raise
            return _answered(request, {"Success": False, "Error": error.message})

    def _found(self, wanted: str) -> Document:
        documents = {one["Info"]["NodeID"]: one for one in node_documents(self._rooms)}
        matching = [wanted] if wanted in documents else [name for name in documents if wanted and name.startswith(wanted)]
        if not matching:
            raise NotFound(f"node not found: {wanted}", hint="the route …/orchestrator/nodes has those there are")
        if len(matching) > 1:
            raise Conflict(f"multiple nodes found for {wanted!r}: {', '.join(matching)}", hint="give more of the id")
        return documents[matching[0]]


def node_documents(rooms: Rooms) -> list[Document]:
    """Every node; that of this process comes first."""
    server = rooms.server
    nodes = server.nodes()
    # What waits belongs to no node yet; where there is only one, it waits for that.
    waiting = server.waiting if len(nodes) == 1 else 0
    return [node_document(node, free, running, waiting, since=rooms.began_at) for node, free, running in nodes]


def _refusal(action: str, node: str) -> Conflict:
    if action == "approve":
        return Conflict(f"node {node} is approved already", hint="nothing is to be done")
    done = {"reject": "rejected", "delete": "deleted"}[action]
    return Conflict(f"node {node} is that of the server itself: it cannot be {done}", hint="stop the server instead")


def _answered(request: Request, document: Document) -> Response:
    """Generated clients read names in small letters; others would take the later of two that differ in that only."""
    aliases = {name.lower(): value for name, value in document.items()} if swagger(request) else {}
    return answered(request, document | aliases)
