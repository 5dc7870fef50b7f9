"""Routes of jobs: submit, list, show, stop, run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gadus.core.errors import Conflict, InvalidSpec, NotFound
from gadus.core.ids import new_uuid
from gadus.core.job import Job, Renewed, Submitted
from gadus.core.jobfile.decode import decode_document
from gadus.core.jobfile.quick import ParamsModel
from gadus.core.selector import parse_constraints
from gadus.core.spec import JobSpec
from gadus.threads import finished

from .answering import Rooms, answered, asked_namespaces, listed, route
from .bodies import Body, body_of
from .clients import knows_bridges, names_jobs
from .heads import heads_of
from .order import ByChange
from .parts import JobParts
from .pins import pin_document
from .query import Query
from .scoped import ScopedRoute, permit
from .wire import Document, job_document

MOST_JOBS = 500
"""A longer page is cut here, and has a token for the rest."""
_LONGEST_KEY = 255
_SOON_READ_BYTES = 16 << 10
"""A smaller job is read at once: to hand it to a thread would take longer."""
_EMPTY: dict[str, tuple[Any, ...]] = {
    "id": ("", None),
    "state": ({}, {"StateType": "Undefined"}, {"StateType": ""}, None),
    "version": (0, None),
    "revision": (0, None),
    "createtime": (0, None),
    "modifytime": (0, None),
}


class Jobs:
    """Answers requests for jobs."""

    def __init__(self, rooms: Rooms, parts: JobParts) -> None:
        self._rooms = rooms
        self._parts = parts

    def routes(self, prefix: str) -> list[ScopedRoute]:
        jobs, job = f"{prefix}/orchestrator/jobs", f"{prefix}/orchestrator/jobs/{{job}}"
        return [
            route(jobs, scope="job", GET=self.page, PUT=self.submit, POST=self.submit),
            route(job, scope="job", GET=self.describe, DELETE=self.stop),
            route(f"{job}/rerun", scope="job", PUT=self.rerun),
            route(f"{job}/versions", scope="job", GET=self.versions),
            route(f"{job}/why", scope="job", GET=self.why),
        ]

    async def submit(self, request: Request) -> Response:
        """
        Accept ``Job``: it is on the disk when the answer leaves.

        ``IdempotencyToken``, or the header ``Idempotency-Key``: the same one again gives the job that it gave before; Bacalhau
        takes the token and does nothing with it.
        """
        body = await body_of(request)
        key = heads_of(request.scope).get("idempotency-key", "") or body.text("IdempotencyToken")
        if len(key) > _LONGEST_KEY:
            raise InvalidSpec([f"IdempotencyToken: has {len(key)} characters, {_LONGEST_KEY} are allowed"])
        spec, warnings = await decoded_job(body, self._rooms.params_model)
        permit(request, "write:job", spec.namespace)
        by_name = names_jobs(request) or "Force" in body
        job = await self._rooms.server.submit(spec, key=key, by_name=by_name, force=body.switch("Force"))
        return answered(request, {"JobID": job.id, "EvaluationID": new_uuid(), "Warnings": list(warnings) or None})

    async def page(self, request: Request) -> Response:
        """
        Jobs by the time of their creation, oldest first unless ``reverse``; or by that of their last change.

        Another ``order_by`` means the first of these, as in Bacalhau. A token has the order of its list.
        """
        query = Query(request)
        limit = min(query.number("limit") or MOST_JOBS, MOST_JOBS)
        token, newest_first = query.text("next_token"), query.switch("reverse")
        labels = parse_constraints(",".join(query.all("labels")))
        by_change = ByChange.of_token(token)
        if not token and query.text("order_by") == "modified_at":
            by_change = ByChange(newest_first=newest_first, limit=limit)
        service, namespaces = self._rooms.service, asked_namespaces(request)
        if by_change is not None:
            jobs, token = await finished(by_change.page, service, namespaces, labels)
        else:
            jobs, token = service.page(
                limit=limit, after=token, newest_first=newest_first, namespaces=namespaces, labels=labels
            )
        return listed(request, [job_document(job, bridges=knows_bridges(request)) for job in jobs], token=token)

    async def describe(self, request: Request) -> Response:
        """A job, as it is or as ``job_version`` was asked for, with the parts of it that ``include`` names."""
        job = self._rooms.job_of(request)
        document: Document = {
            "Job": job_document(self._as_of(job, Query(request).number("job_version")), bridges=knows_bridges(request))
        }
        included = {word.strip() for word in Query(request).text("include").split(",")}
        if "history" in included:
            document["History"] = {"NextToken": "", "Items": await self._parts.history_of(request, job)}
        if "executions" in included:
            document["Executions"] = await self._parts.executions_of(request, job)
        if "manifests" in included:
            document["Manifests"] = [pin_document(pin) for pin in job.pins]
        return answered(request, document)

    def _as_of(self, job: Job, edition: int) -> Job:
        if edition in (0, job.edition):
            return job
        spec = self._rooms.server.editions(job).get(edition)
        if spec is None:
            raise NotFound(f"job {job.id} has no version {edition}", hint=f"its versions are 1 to {job.edition}")
        return job.model_copy(update={"spec": _named(spec, job), "edition": edition})

    async def stop(self, request: Request) -> Response:
        """
        End a job; one that was stopped already is left at that, one that ended otherwise is a conflict.

        So is a ``job_version`` that is not its latest: of an earlier one nothing is left to stop.
        """
        body = await body_of(request)
        reason = body.text("reason") or Query(request).text("reason")
        # What a Python client sends for no reason at all.
        reason = "" if reason == "None" else reason
        job = self._rooms.job_of(request)
        self._refuse_earlier(job, Query(request).number("job_version"))
        await self._rooms.server.stop(job, reason or "stopped by a request to the API")
        return answered(request, {"EvaluationID": new_uuid()})

    def _refuse_earlier(self, job: Job, edition: int) -> None:
        latest = self._rooms.server.job(job.id).edition
        if edition > latest:
            raise NotFound(f"job {job.id} has no version {edition}", hint=f"its versions are 1 to {latest}")
        if edition and edition < latest:
            raise Conflict(
                f"version {edition} of job {job.id} is over: version {latest} has taken its place",
                hint=f"to stop that: gadus job stop {job.id}",
            )

    async def rerun(self, request: Request) -> Response:
        """The job once more: as its version ``JobVersion``, or as the latest."""
        body = await body_of(request)
        job = await self._rooms.server.rerun(
            self._rooms.job_of(request), edition=body.number("JobVersion"), reason=body.text("Reason")
        )
        answer = {"JobID": job.id, "JobVersion": job.edition, "EvaluationID": new_uuid(), "Warnings": None}
        return answered(request, answer)

    async def versions(self, request: Request) -> Response:
        """The job as it was asked for each time, and when, oldest first; the state is that of the latest."""
        job = self._rooms.job_of(request)
        editions = self._rooms.server.editions(job)
        came = [event.at for event in self._rooms.service.events(job) if isinstance(event, Submitted | Renewed)]
        items = [
            job_document(
                job.model_copy(update={"spec": _named(spec, job), "edition": number, "modified_at": at}),
                bridges=knows_bridges(request),
            )
            for (number, spec), at in zip(editions.items(), came, strict=False)
        ]
        return listed(request, items)

    async def why(self, request: Request) -> Response:
        """Why what waits of the job runs on no node, node by node; empty when nothing waits. Bacalhau has no such route."""
        job = self._rooms.server.job(self._rooms.job_of(request).id)
        return answered(request, {"JobID": job.id, "Waiting": len(job.vacancies), "Why": self._rooms.server.why_it_waits(job)})


async def decoded_job(body: Body, params_model: ParamsModel) -> tuple[JobSpec, tuple[str, ...]]:
    """The ``Job`` of a request's body, and warnings. Raises InvalidSpec."""
    job = as_meant(body.mapping("Job"))
    if body.size_bytes < _SOON_READ_BYTES:
        return decode_document(job, params_model=params_model)
    # In a thread: a large job takes longer to read than others should wait.
    return await finished(decode_document, job, params_model=params_model)


def as_meant(job: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fields that only the server sets, as far as they say nothing: some clients always write them."""
    return {key: value for key, value in job.items() if key.lower() not in _EMPTY or value not in _EMPTY[key.lower()]}


def _named(spec: JobSpec, job: Job) -> JobSpec:
    return spec if spec.name else spec.model_copy(update={"name": job.spec.name})
