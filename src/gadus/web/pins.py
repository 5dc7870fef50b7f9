"""What the inputs of a job are: the first objects of each, and a route that sends all of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gadus.core.errors import NotFound
from gadus.core.job import Job, Pin
from gadus.core.manifest import Item
from gadus.threads import finished

from .answering import Rooms, route
from .scoped import ScopedRoute
from .wire import Document

_BATCH = 1000


def pin_document(pin: Pin) -> Document:
    """One input with its first objects, and how many more it has."""
    return {
        "Target": pin.target,
        "Location": pin.location,
        "Digest": pin.digest,
        "Objects": pin.objects,
        "Bytes": pin.size_bytes,
        "Exact": pin.exact,
        "Items": [item_document(item) for item in pin.first],
        "ItemsLeftOut": pin.objects - len(pin.first),
    }


def item_document(item: Item) -> Document:
    """One object of an input, without what its service does not say of it."""
    told = {"etag": item.etag, "version_id": item.version_id, "sha256": item.sha256, "checksum": item.checksum}
    return {"key": item.key, "path": item.path, "bytes": item.size_bytes} | {name: text for name, text in told.items() if text}


class Pins:
    """Answers requests for the inputs of jobs."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [route(f"{prefix}/orchestrator/jobs/{{job}}/manifests/{{digest}}", scope="job", GET=self.send)]

    async def send(self, request: Request) -> Response:
        """Every object of one input of the job, a JSON document a line."""
        job, digest = self._rooms.job_of(request), request.path_params["digest"]
        items = self._rooms.service.manifest(_pin_of(job, digest))
        # Before the answer begins: a manifest that was removed this moment is not found.
        first = await finished(_lines, items)
        return StreamingResponse(_all(first, items), media_type="application/x-ndjson")


def _pin_of(job: Job, digest: str) -> Pin:
    found = next((pin for pin in job.pins if pin.digest == digest), None)
    if found is None:
        known = ", ".join(pin.digest for pin in job.pins[:10]) or "none"
        raise NotFound(f"job {job.id} has no input with the manifest {digest}", hint=f"its manifests: {known}")
    return found


async def _all(first: bytes, items: Iterator[Item]) -> AsyncIterator[bytes]:
    lines = first
    while lines:
        yield lines
        lines = await finished(_lines, items)


def _lines(items: Iterator[Item]) -> bytes:
    return "".join(json.dumps(item_document(item)) + "\n" for item in islice(items, _BATCH)).encode()
