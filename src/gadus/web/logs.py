"""What the programs of a job wrote: over a WebSocket, or as an answer that goes on while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, nullcontext

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from gadus.core.errors import GadusError, NotFound
from gadus.core.job import Execution, Job, State

from .answering import Rooms, answered, route, socket_route
from .clients import swagger
from .editions import of_edition
from .frames import Frames, Lines, Replayed, error_frame
from .growth import Followed, Growth, Known
from .pieces import Following, Piece, pieces
from .query import Query
from .scoped import ScopedRoute, ScopedWebSocketRoute

_HEADERS = {"Content-Security-Policy": "sandbox", "Cache-Control": "no-store"}
_NDJSON = "application/x-ndjson"
_MOST_BYTES_AT_ONCE = 1 << 20
"""So much of the logs is in an answer that cannot be sent piece by piece."""


class Logs:
    """Answers requests for logs."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._growth = Growth(rooms)

    @property
    def followers(self) -> int:
        """How many clients read logs now."""
        return self._growth.followers

    def routes(self, prefix: str) -> list[ScopedRoute | ScopedWebSocketRoute]:
        path = f"{prefix}/orchestrator/jobs/{{job}}/logs"
        return [route(path, scope="job", GET=self.send), socket_route(path, scope="job", answering=self.stream)]

    async def send(self, request: Request) -> Response:
        """
        Standard output and standard error of the newest execution of each part, or of the one that ``execution_id`` names.

        With ``follow`` it goes on until the job has ended. Lines of different streams do not mix, unless they are very long.
        With ``tail`` only what is written from now on, and with ``lines=20`` only the last 20 lines there are of each stream.
        As frames, a JSON document a line, to those who ask for ``format=ndjson`` or accept only that; with ``exact`` nothing
        of the bytes is lost in them.
        """
        query = Query(request)
        wanted, follow = query.text("execution_id"), query.switch("follow")
        framed = query.one_of("format", ("text", "ndjson")) == "ndjson" or request.headers.get("accept") == _NDJSON
        job = self._rooms.job_of(request)
        if not _parts(request, job, wanted) and not follow:
            raise NotFound(f"no executions found for job {job.id}", hint="wait for them with follow=true")
        request.scope["gadus.follows"] = follow

        def chosen(known: Known) -> Sequence[Execution]:
            return _parts(request, known.job, wanted)

        if swagger(request):
            read = self._pieces(job, Following(chosen, _has_ended, grows=False))
            return answered(request, (await _beginning(read)).decode("utf-8", "replace"))
        read = self._pieces(job, Following(chosen, _has_ended, grows=follow, last_lines=_last_lines(query)))
        text = _as_frames(read, exact=query.switch("exact")) if framed else _as_lines(read)
        return StreamingResponse(text, media_type=_NDJSON if framed else "text/plain; charset=utf-8", headers=_HEADERS)

    async def stream(self, socket: WebSocket) -> None:
        """
        A frame for each entry, of one execution: the one that ``execution_id`` names, or the latest that has not failed.

        What is wrong is told in a frame, and the connection is closed as one that has served its purpose: whatever else
        happens, clients show as a broken connection.
        """
        await socket.accept()
        async with asyncio.TaskGroup() as both:
            sending = both.create_task(self._send_frames(socket))
            gone = both.create_task(_cancelled_when_gone(socket, sending))
            sending.add_done_callback(lambda _: gone.cancel())

    async def _send_frames(self, socket: WebSocket) -> None:
        try:
            with self._rooms.log_readers:
                async with aclosing(self._frames(socket)) as frames:
                    async for frame in frames:
                        await socket.send_text(frame)
            await socket.close()
        except WebSocketDisconnect:
            # Nobody reads it any more.
            return

    async def _frames(self, socket: WebSocket) -> AsyncGenerator[str]:
        try:
            query = Query(socket)
            follow = query.switch("follow")
            job = self._rooms.job_of(socket)
            async with self._growth.of(job) as followed:
                one = await self._picked(socket, followed, query.text("execution_id"), follow=follow)
                frames = Replayed() if one.state.final else Frames()

                def is_over(known: Known) -> bool:
                    return known.executions[one.id].state.final

                following = Following(
                    lambda known: [known.executions[one.id]],
                    is_over,
                    grows=follow,
                    last_lines=0 if query.switch("tail") and not one.state.final else None,
                )
                async for piece in pieces(followed, self._rooms.closing, following):
                    for frame in frames.of(piece):
                        yield frame
        except GadusError as error:
            yield error_frame(error)

    async def _picked(self, socket: WebSocket, followed: Followed, wanted: str, *, follow: bool) -> Execution:
        """The execution whose log is sent; one that is not there yet is waited for by those who follow. Raises NotFound."""
        while True:
            more, job = followed.next, followed.known.job
            if followed.failure is not None:
                raise followed.failure
            if found := _latest(_of_query(socket, job, wanted)):
                return found
            if not follow or _has_ended(followed.known) or self._rooms.closing.is_set():
                raise NotFound(f"no executions found for job {job.id}", hint="see the job's state and history for why")
            await more.wait()

    async def _pieces(self, job: Job, following: Following) -> AsyncIterator[Piece]:
        with self._rooms.log_readers if following.grows else nullcontext():
            async with self._growth.of(job) as followed:
                async for piece in pieces(followed, self._rooms.closing, following):
                    yield piece


def _of_query(request: Request | WebSocket, job: Job, wanted: str) -> Sequence[Execution]:
    """All executions that may be meant. Raises NotFound when none has the id that is `wanted`."""
    return of_edition(request, job, job.chosen(wanted) if wanted and job.executions else job.executions)


def _parts(request: Request, job: Job, wanted: str) -> Sequence[Execution]:
    """The newest execution of each part."""
    newest = {one.index: one for one in _of_query(request, job, wanted)}
    return [newest[index] for index in sorted(newest)]


def _latest(executions: Sequence[Execution]) -> Execution | None:
    """The one that changed last, of those that have not failed if there are any."""
    well = [one for one in executions if one.state not in (State.FAILED, State.STOPPED)]
    return max(well or executions, key=lambda one: (one.modified_at, one.created_at), default=None)


def _last_lines(query: Query) -> int | None:
    """How many of the lines that there are now are wanted; None for all."""
    if query.switch("tail"):
        return 0
    return query.number("lines") if "lines" in query else None


def _has_ended(known: Known) -> bool:
    return known.job.state.final and not known.job.live


async def _cancelled_when_gone(socket: WebSocket, sending: asyncio.Task[None]) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        # What a client says here means nothing.
        continue
    sending.cancel()


async def _as_lines(read: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    lines = Lines()
    async for piece in read:
        if text := lines.of(piece):
            yield text


async def _as_frames(read: AsyncIterator[Piece], *, exact: bool) -> AsyncIterator[str]:
    frames = Frames(named=True, exact=exact)
    try:
        async for piece in read:
            for frame in frames.of(piece):
                yield frame
    except GadusError as error:
        yield error_frame(error)


async def _beginning(read: AsyncIterator[Piece]) -> bytes:
    text = b""
    lines = Lines()
    async for piece in read:
        text += lines.of(piece)
        if len(text) > _MOST_BYTES_AT_ONCE:
            return text[:_MOST_BYTES_AT_ONCE] + "… more is left out …\n".encode()
    return text
