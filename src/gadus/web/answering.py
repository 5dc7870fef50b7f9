"""What every route needs: the jobs, who reads and changes them, and how an answer is written."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from gadus.access.gate import Gate
from gadus.config import Settings
from gadus.core.capacity import Amounts
from gadus.core.job import Job
from gadus.core.jobfile.quick import ParamsModel
from gadus.core.placement import Node
from gadus.core.spec import JobSpec
from gadus.orchestrator.service import Service

from .query import Query
from .scoped import ScopedRoute, ScopedWebSocketRoute, caller_of

if TYPE_CHECKING:
    from gadus.watch.metrics import Metrics

Answering = Callable[[Request], Awaitable[Response]]

SLASH = "\0"
"""Stands for a slash that belongs to a name in a path; no name has this character."""


class Driving(Protocol):
    """Who accepts and changes jobs: a server that drives all of them, or a process that drives its own."""

    async def submit(self, spec: JobSpec, *, key: str = "", by_name: bool = False, force: bool = False) -> Job:
        """Accept a job, see `Server.submit`."""
        ...

    async def stop(self, job: Job, reason: str) -> Job:
        """The end of a job. Raises Conflict when it has ended."""
        ...

    async def rerun(self, job: Job, *, edition: int = 0, reason: str = "") -> Job:
        """The job once more, as its next edition. Raises NotFound."""
        ...

    def editions(self, job: Job) -> dict[int, JobSpec]:
        """Every spec that the job had, by its number."""
        ...

    def job(self, job_id: str) -> Job:
        """The job as it is now. Raises NotFound."""
        ...

    def why_it_waits(self, job: Job) -> str:
        """Every node with its reason for not running what waits of the job; empty when nothing waits."""
        ...

    @property
    def waiting(self) -> int:
        """How many executions wait for room."""
        ...

    @property
    def follows(self) -> int:
        """How many executions run."""
        ...

    def nodes(self) -> Sequence[tuple[Node, Amounts, int]]:
        """Each node, what is free of it, and how many executions run there."""
        ...


class Ready(Protocol):
    """Who knows whether jobs can be taken."""

    async def trouble(self) -> str:
        """What is in the way of new jobs; empty when nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Watching:
    """What a server tells of itself; `dropped` is how many lines of its log nobody took."""

    metrics: Metrics
    ready: Ready
    dropped: Callable[[], int]


class Present:
    """How many are in the block now."""

    number = 0

    def __enter__(self) -> None:
        self.number += 1

    def __exit__(self, *_: object) -> None:
        self.number -= 1


@dataclass(frozen=True, slots=True)
class Rooms:
    """
    The parts of a running server that routes speak to.

    `closing` is set when it is about to end. `gate` lets callers in, everybody when there is none. `hosts` are the names under
    which it answers, beside its addresses. `began_at` is when it began, in Unix seconds. `watching` is None where there is no
    server, and nobody to look after it.
    """

    server: Driving
    service: Service
    settings: Settings
    params_model: ParamsModel
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    watching: Watching | None = None
    log_readers: Present = field(default_factory=Present)
    gate: Gate | None = None
    hosts: frozenset[str] = frozenset()
    began_at: float = field(default_factory=time.time)

    def job_of(self, request: HTTPConnection) -> Job:
        """The job that the path names by its id, the beginning of it, or its name. Raises NotFound, Conflict."""
        return self.service.find(request.path_params["job"].replace(SLASH, "/"), asked_namespaces(request))


def asked_namespaces(request: HTTPConnection) -> frozenset[str] | None:
    """
    The namespaces that a request is about, of those that its caller reaches; None for every one.

    What is not in them does not exist for the caller.
    """
    return caller_of(request).among(Query(request).text("namespace"))


def route(path: str, *, scope: str, name: str = "", **answering: Answering) -> ScopedRoute:
    """
    One path, who may ask, and who answers which method: ``route(path, scope="job", GET=show, DELETE=stop)``.

    The scope ``job`` means read:job for GET and write:job for the rest; ``read:job`` means just that; ``open`` means everybody.
    """

    async def answer(request: Request) -> Response:
        # HEAD is a GET of which only the head is sent.
        return await answering[request.method if request.method in answering else "GET"](request)

    return ScopedRoute(path, answer, scope=scope, methods=list(answering), name=name or None)


def socket_route(path: str, *, scope: str, answering: Callable[[WebSocket], Awaitable[None]]) -> ScopedWebSocketRoute:
    """One path, and who answers those that ask for a WebSocket there."""
    return ScopedWebSocketRoute(path, answering, scope=scope)


def answered(request: Request, document: Any) -> Response:
    """A JSON document; on several lines when ``?pretty`` asks for it."""
    pretty = bool(request.scope["query_string"]) and "pretty" in request.query_params
    separators = None if pretty else (",", ":")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2 if pretty else None, separators=separators)
    return Response(text.encode() + b"\n", media_type="application/json")


def listed(request: Request, items: Sequence[Any], *, token: str = "") -> Response:
    """A list of documents, and the token of the next page if there is one."""
    return answered(request, {"NextToken": token, "Items": items})
