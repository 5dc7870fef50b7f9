"""Routes of what belongs to one job: executions, history, results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gadus.contracts import Stream
from gadus.core.errors import InvalidSpec, Rejected
from gadus.core.job import Execution, Job, State
from gadus.threads import finished

from .answering import Rooms, listed, route
from .archive import published
from .clients import numbering_for, waits_by_history
from .editions import edition_of, of_edition
from .executions import Place
from .history import history
from .query import Query
from .scoped import ScopedRoute
from .wire import Document, Written, execution_document, rfc3339

_OUTPUTS_READ = 200
"""Of more executions in one answer, what their programs wrote is left out."""
_OUTPUT_BYTES = 2048
_KINDS = {"all": "", "job": "JobLevel", "execution": "ExecutionLevel"}
_POSITION, _BACKWARDS = "history:", "history:before:"


class JobParts:
    """Answers requests for the parts of a job."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        job = f"{prefix}/orchestrator/jobs/{{job}}"
        return [
            route(f"{job}/executions", scope="job", GET=self.executions),
            route(f"{job}/history", scope="job", GET=self.history),
            route(f"{job}/results", scope="job", GET=self.results),
        ]

    async def executions(self, request: Request) -> Response:
        """The executions of a job, a page at a time. A job of 20,000 has several, however few of them are shown."""
        query = Query(request)
        place, limit = Place.of_query(query), query.number("limit")
        job = self._rooms.job_of(request)
        page, token = place.page(of_edition(request, job, job.executions), limit)
        return listed(request, await self._documents(request, job, page), token=token)

    async def executions_of(self, request: Request, job: Job) -> Document:
        """The first page of all executions of a job, oldest first."""
        page, token = Place().page(of_edition(request, job, job.executions))
        return {"NextToken": token, "Items": await self._documents(request, job, page)}

    async def history(self, request: Request) -> Response:
        """
        What happened to a job, oldest first, or with ``reverse`` newest first.

        To clients that wait for the end of a job by its history, the next token is empty only when it has ended, or when the
        execution has that they ask for.
        """
        query = Query(request)
        kind = _KINDS[query.one_of("event_type", tuple(_KINDS))]
        wanted = {"ExecutionID": query.text("execution_id"), "NodeID": query.text("node_id")}
        since, limit = query.number("since"), query.number("limit")
        backwards, place = _place(query.text("next_token"), reverse=query.switch("reverse"))
        job = self._rooms.job_of(request)
        items = [
            item
            for item in await self.history_of(request, job, since=since)
            if kind in ("", item["Type"]) and all(item.get(name, "").startswith(text) for name, text in wanted.items())
        ]
        if backwards:
            # New entries come at the end: those before a place stay what they are.
            end = len(items) if place is None else min(place, len(items))
            start = max(end - limit, 0) if limit else 0
            return listed(request, items[start:end][::-1], token=f"{_BACKWARDS}{start}" if start else "")
        start = place or 0
        page = items[start : start + limit] if limit else items[start:]
        waits = waits_by_history(request) and goes_on(job, wanted["ExecutionID"], edition_of(request, job))
        goes = start + len(page) < len(items) or waits
        return listed(request, page, token=f"{_POSITION}{start + len(page)}" if goes else "")

    async def history_of(self, request: Request, job: Job, *, since: int = 0) -> list[Document]:
        """Every entry, from those of the Unix second `since` on."""
        events, edition = self._rooms.service.events(job), edition_of(request, job)
        items = await finished(history, job, events, numbering_for(request))
        if edition:
            items = [item for item in items if item["JobVersion"] == edition]
        return [item for item in items if item["Time"] >= rfc3339(since)] if since else items

    async def results(self, request: Request) -> Response:
        """Where the results of each completed execution can be fetched."""
        job = self._rooms.job_of(request)
        if job.spec.type not in ("batch", "ops"):
            raise Rejected(
                f"job {job.id} is a {job.spec.type} job, which has no results", hint="results are those of batch and ops jobs"
            )
        completed = [one for one in of_edition(request, job, job.executions) if one.state is State.COMPLETED]
        return listed(request, [published(request, job, one) for one in completed])

    async def _documents(self, request: Request, job: Job, chosen: Sequence[Execution]) -> list[Document]:
        numbering = numbering_for(request)
        written = await finished(self._written, job, chosen)
        return [
            execution_document(
                job, one, numbering, written=written.get(one.id, Written()), published=published(request, job, one)
            )
            for one in chosen
        ]

    def _written(self, job: Job, chosen: Sequence[Execution]) -> dict[str, Written]:
        ended = [one for one in chosen if one.outcome is not None]
        if len(ended) > _OUTPUTS_READ:
            return {}
        return {one.id: _read(self._rooms.service.results(job, one)) for one in ended}


def _read(directory: Path) -> Written:
    stdout, stderr = (_head(directory / stream.value) for stream in (Stream.STDOUT, Stream.STDERR))
    return Written(*stdout, *stderr)


def _head(file: Path) -> tuple[str, bool]:
    try:
        with file.open("rb") as stream:
            data = stream.read(_OUTPUT_BYTES + 1)
    except OSError:
        # Removed since, or never kept: the execution failed before it wrote anything.
        return "", False
    return data[:_OUTPUT_BYTES].decode("utf-8", "replace"), len(data) > _OUTPUT_BYTES


def goes_on(job: Job, execution_id: str, edition: int) -> bool:
    """Whether the history may become longer: of the execution, or of the version of the job, if it is about one."""
    asked = [one for one in job.executions if execution_id and one.id.startswith(execution_id)]
    if asked or edition not in (0, job.edition):
        of_edition = [one for one in job.executions if one.edition == edition]
        return any(not one.state.final for one in asked or of_edition)
    return not job.state.final or bool(job.live)


def _place(token: str, *, reverse: bool) -> tuple[bool, int | None]:
    """Whether a list goes backwards, and where this page of it begins; a token has the direction of its list."""
    if not token:
        return reverse, None
    for kind in (_BACKWARDS, _POSITION):
        digits = token.removeprefix(kind)
        if digits != token and digits.isascii() and digits.isdigit() and len(digits) <= 10:
            return kind == _BACKWARDS, int(digits)
    raise InvalidSpec(["next_token: is not one that the history of a job gives"])
