"""What the programs of a job wrote, as text that is sent while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gadus.contracts import Stream
from gadus.core.errors import NotFound
from gadus.core.job import Execution, Job
from gadus.runner.ring_reader import RingReader

from .answering import Rooms, route
from .query import Query
from .scoped import ScopedRoute

_LOOK_SECONDS = 0.2
_BLOCK_BYTES = 1 << 16
_HEADERS = {"Content-Security-Policy": "sandbox", "Cache-Control": "no-store"}


class Logs:
    """Answers requests for logs."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [route(f"{prefix}/orchestrator/jobs/{{job}}/logs", scope="job", GET=self.send)]

    async def send(self, request: Request) -> Response:
        """
        Standard output and standard error of the newest execution of each part, or of the one that ``execution_id`` names.

        With ``follow`` it goes on until the job has ended. Lines of different streams do not mix, unless they are very long.
        """
        query = Query(request)
        wanted, follow = query.text("execution_id"), query.switch("follow")
        job = self._rooms.job_of(request)
        if not job.chosen(wanted) and not follow:
            raise NotFound(f"no executions found for job {job.id}", hint="wait for them with follow=true")
        text = self._text(job, wanted, follow=follow)
        return StreamingResponse(text, media_type="text/plain; charset=utf-8", headers=_HEADERS)

    async def _text(self, job: Job, wanted: str, *, follow: bool) -> AsyncIterator[bytes]:
        streams: dict[tuple[str, Stream], _Lines] = {}
        with ExitStack() as files:
            while True:
                # Looked at before reading: what was written until then is sent in this round.
                ended = (job.state.final and not job.live) or not follow or self._rooms.closing.is_set()
                for one in job.chosen(wanted if job.executions else ""):
                    for stream in Stream:
                        lines = streams.setdefault((one.id, stream), _Lines(files))
                        for piece in lines.new(self._places(job, one, stream), last=ended or one.state.final):
                            yield piece
                if ended:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._rooms.closing.wait()
                job = self._rooms.server.job(job.id)

    def _places(self, job: Job, one: Execution, stream: Stream) -> tuple[Path, ...]:
        settings = self._rooms.settings
        # The growing file becomes the kept one between two looks: then the second look at the first place finds it.
        kept = settings.results_of(job.id, one.id) / stream.value
        return kept, settings.growing_results_of(one.id) / stream.value, kept


class _Lines:
    """One file, read on from where it was, in whole lines."""

    def __init__(self, files: ExitStack) -> None:
        self._files = files
        self._file: RingReader | None = None
        self._rest = b""

    def new(self, places: tuple[Path, ...], *, last: bool) -> Iterator[bytes]:
        """The lines that were not given yet; the line that is not complete only when it is the `last`, or very long."""
        if self._file is None:
            self._file = self._opened(places)
        while self._file is not None and (block := self._file.read(_BLOCK_BYTES)):
            whole, newline, rest = (self._rest + block).rpartition(b"\n")
            if whole or newline:
                yield whole + newline
            if len(rest) > _BLOCK_BYTES:
                yield rest
                rest = b""
            self._rest = rest
        if last and self._rest:
            yield self._rest
            self._rest = b""

    def _opened(self, places: tuple[Path, ...]) -> RingReader | None:
        for path in places:
            with suppress(OSError):
                return self._files.enter_context(RingReader(path))
        return None
