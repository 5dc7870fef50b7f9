"""Gives a job to a server, once, even when its answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from gadus.client import Api, Document
from gadus.client.api import NEWEST_VERSION
from gadus.core.errors import Busy, NotFound, Rejected, Unavailable
from gadus.core.spec import JobSpec

TRIES = 3
_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_KNOWN_BY_NAME = ("service", "daemon")


async def submit(api: Api, spec: JobSpec, *, force: bool) -> tuple[str, Sequence[str]]:
    """
    The id of the job, and what the server warns of. Raises what the server refuses, and Unavailable when it does not answer.

    A batch or ops job is a new one each time. A service or daemon job of the same name is renewed, unless nothing changed and
    `force` is not given: then Conflict. The request has a token, so that the same job is not accepted twice when it is sent
    again.
    """
    body: Document = {"Job": spec.to_wire(), "IdempotencyToken": str(uuid4())}
    if _by_name(spec):
        body["Force"] = force
    # To clients of old a name is no more than a name.
    version = NEWEST_VERSION if _by_name(spec) else ""
    for tried in range(1, TRIES + 1):
        try:
            answer = await api.ask("PUT", "/orchestrator/jobs", body=body, as_version=version)
            return str(answer["JobID"]), [str(warning) for warning in answer.get("Warnings") or ()]
        except Unavailable as exc:
            if tried == TRIES:
                raise
            wanted = exc.retry_after_seconds if isinstance(exc, Busy) else 0.0
        await asyncio.sleep(max(tried * _PAUSE_SECONDS, min(wanted, _LONGEST_PAUSE_SECONDS)))
    raise AssertionError("the last try returns or raises")


async def difference(api: Api, spec: JobSpec) -> str | None:
    """What submitting would change of the job of this name, as text; None when it would be a new job, or nobody can say."""
    if not _by_name(spec):
        return None
    try:
        answer = await api.ask("PUT", "/orchestrator/jobs/diff", body={"Job": spec.to_wire()})
    except NotFound:
        return None
    except Rejected as exc:
        if "there is no" in exc.message:  # a server that is older than this command
            return None
        raise
    return str(answer.get("Diff") or "")


def _by_name(spec: JobSpec) -> bool:
    return spec.type in _KNOWN_BY_NAME and bool(spec.name)
