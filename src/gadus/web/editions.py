"""Which version of a job a request is about."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import HTTPConnection

from gadus.core.errors import NotFound
from gadus.core.job import Execution, Job

from .clients import names_jobs
from .query import Query


def edition_of(request: HTTPConnection, job: Job) -> int:
    """
    The version that ``job_version`` names; 0 for all of them.

    That is what clients before 1.8 mean, and later ones with ``all_job_versions``; without either these mean the latest.
    Raises NotFound.
    """
    query = Query(request)
    edition = query.number("job_version")
    if edition > job.edition:
        raise NotFound(f"job {job.id} has no version {edition}", hint=f"its versions are 1 to {job.edition}")
    if edition or query.switch("all_job_versions") or not names_jobs(request):
        return edition
    return job.edition


def of_edition(request: HTTPConnection, job: Job, executions: Sequence[Execution]) -> Sequence[Execution]:
    """Those of the version that the request is about. Raises NotFound."""
    edition = edition_of(request, job)
    return [one for one in executions if one.edition == edition] if edition else executions
