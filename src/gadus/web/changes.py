"""What another submission would change of a job: a difference that people read."""

from __future__ import annotations

from difflib import unified_diff

import yaml
from starlette.requests import Request
from starlette.responses import Response

from gadus.core.errors import Conflict, NotFound
from gadus.core.job import Job
from gadus.core.spec import JobSpec
from gadus.threads import finished

from .answering import Rooms, answered, route
from .bodies import body_of
from .jobs import decoded_job
from .scoped import ScopedRoute, permit


class Changes:
    """Answers requests for differences."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [route(f"{prefix}/orchestrator/jobs/diff", scope="read:job", PUT=self.diff)]

    async def diff(self, request: Request) -> Response:
        """Line by line what ``Job`` changes of the latest job of its name, all of it when there is none; empty for nothing."""
        spec, warnings = await decoded_job(await body_of(request), self._rooms.params_model)
        permit(request, "read:job", spec.namespace)
        known = self._named(spec)
        text = await finished(difference, known, spec)
        return answered(request, {"Diff": text, "Warnings": list(warnings) or None})

    def _named(self, spec: JobSpec) -> Job | None:
        try:
            job = self._rooms.service.find(spec.name, frozenset((spec.namespace,))) if spec.name else None
        except (NotFound, Conflict):
            return None
        return job if job is not None and job.spec.name == spec.name else None


def difference(known: Job | None, spec: JobSpec) -> str:
    """The lines of both specs as YAML, marked with ``-`` and ``+`` where they differ."""
    before = _lines(known.spec) if known else []
    name = f"{known.spec.name} version {known.edition}" if known else "nothing"
    return "".join(unified_diff(before, _lines(spec), name, "as submitted", n=5))


def _lines(spec: JobSpec) -> list[str]:
    return yaml.safe_dump(spec.to_wire(), sort_keys=False, allow_unicode=True).splitlines(keepends=True)
