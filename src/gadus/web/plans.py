"""The route that looks ahead for a job: nothing of it is stored, and nothing is run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gadus.core.errors import Busy, GadusError, Unavailable
from gadus.core.jobfile.decode import decode_loosely
from gadus.core.plan import Plan
from gadus.core.spec import JobSpec
from gadus.threads import finished

from .answering import Present, Rooms, answered, route
from .bodies import body_of
from .jobs import as_meant
from .planned import plan_document
from .scoped import ScopedRoute, permit
from .wire import Document

MOST_AT_ONCE = 8
"""Each lists inputs in the process that answers all others."""
LONGEST_SECONDS = 600.0
_TOLD_SECONDS = 1.0
_LINES = "application/x-ndjson"


class Plans:
    """Answers requests for plans."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._present = Present()

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [route(f"{prefix}/orchestrator/plan", scope="job", POST=self.plan)]

    async def plan(self, request: Request) -> Response:
        """
        What ``Job`` would read and where it would run, or every reason why it cannot.

        As one document, or for those who accept lines: each second how much was listed, and in the last line the plan or an
        error. It ends when the client is gone.
        """
        body = await body_of(request)
        spec, warnings = await finished(decode_loosely, as_meant(body.mapping("Job")))
        permit(request, "write:job", spec.namespace)
        if self._present.number >= MOST_AT_ONCE:
            raise Busy(f"{MOST_AT_ONCE} plans are being made just now", hint="try again in a few seconds")
        told = self._told(spec, {"Warnings": list(warnings) or None})
        if request.headers.get("accept") == _LINES:
            return StreamingResponse(_lines(told), media_type=_LINES)
        async with aclosing(told):
            async for document in told:
                if "Plan" in document or await request.is_disconnected():
                    return answered(request, document)
        raise AssertionError("the last document is the plan")

    async def _told(self, spec: JobSpec, also: Document) -> AsyncGenerator[Document]:
        """What is known so far, now and then, and then the plan."""
        listed = {"Objects": 0, "Bytes": 0}

        def count(objects: int, size_bytes: int) -> None:
            listed["Objects"] += objects
            listed["Bytes"] += size_bytes

        with self._present:
            planning = asyncio.ensure_future(self._planned(spec, count))
            try:
                while not planning.done():
                    await asyncio.wait([planning], timeout=_TOLD_SECONDS)
                    yield {"Listed": dict(listed)}
                yield {"Plan": plan_document(planning.result()), **also}
            finally:
                planning.cancel()
                await asyncio.wait([planning])

    async def _planned(self, spec: JobSpec, count: Callable[[int, int], None]) -> Plan:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await self._rooms.service.plan(spec, count)
        except TimeoutError as exc:
            what = f"the inputs were not listed within {LONGEST_SECONDS:.0f} s"
            raise Unavailable(what, hint="name fewer objects, or run the job: it lists for as long as it takes") from exc


async def _lines(told: AsyncGenerator[Document]) -> AsyncIterator[str]:
    try:
        async for document in told:
            yield json.dumps(document, ensure_ascii=False) + "\n"
    except GadusError as error:
        failed = {"Kind": error.kind, "Message": error.message, "Hint": error.hint}
        yield json.dumps({"Error": failed}, ensure_ascii=False) + "\n"
    finally:
        await told.aclose()
