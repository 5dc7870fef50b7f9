"""Results as one archive, written while it is sent: where clients fetch them from, and the route that sends them."""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gadus.core.errors import NotFound
from gadus.core.job import Execution, Job, State
from gadus.threads import finished

from .answering import Rooms, route
from .query import Query
from .scoped import ScopedRoute, gate_of
from .wire import Document

_PIECE_BYTES = 1 << 18
_TAR = "application/x-tar"
_Mode = Literal["w|", "w|gz"]
_Chosen = Callable[[tarfile.TarInfo], tarfile.TarInfo | None]
_NAME = "results_of_execution"
# As for everything that a program wrote: a browser may save it, never show it as a page of this server.
_HEADERS = {"Content-Security-Policy": "sandbox"}


def published(request: Request, job: Job, execution: Execution) -> Document | None:
    """
    Where the results of a completed execution are fetched; None for another. They are kept whoever publishes them.

    Where callers say who they are, the link itself opens this one archive for some minutes: Bacalhau's client sends no token.
    """
    if execution.state is not State.COMPLETED:
        return None
    url = request.url_for(_NAME, job=job.id, archive=f"{execution.id}.tar.gz")
    if gate := gate_of(request):
        url = url.include_query_params(**gate.link(url.path))
    return {"Type": "urlDownload", "Params": {"URL": str(url)}}


class Archives:
    """Answers requests for results."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self, prefix: str) -> list[ScopedRoute]:
        path = f"{prefix}/orchestrator/jobs/{{job}}/results/{{archive}}"
        return [route(path, scope="job", name=_NAME, GET=self.send)]

    async def send(self, request: Request) -> Response:
        """
        stdout, stderr, exitCode, the receipt and the result paths of one execution, as a gzipped tar archive.

        Directories and regular files only: links and devices that a program left are left out, unless ``everything`` asks for
        them by name. Not gzipped for those who accept a tar. Of an execution that failed, what its program wrote until then.
        """
        archive = request.path_params["archive"]
        job = self._rooms.job_of(request)
        found = next((one for one in job.executions if f"{one.id}.tar.gz" == archive), None)
        if found is None or not found.state.final:
            raise NotFound(f"no results {archive} of job {job.id}", hint="the route …/results has those there are")
        directory = self._rooms.service.results(job, found)
        if not directory.is_dir():
            raise NotFound(f"the results of execution {found.id} are not on this machine any more", hint="run the job again")
        plain = request.headers.get("accept") == _TAR
        pieces = _packed(directory, "w|" if plain else "w|gz", _any if Query(request).switch("everything") else _file)
        named = {"Content-Disposition": f'attachment; filename="{archive.removesuffix(".gz") if plain else archive}"'}
        return StreamingResponse(pieces, media_type=_TAR if plain else "application/gzip", headers=_HEADERS | named)


async def _packed(directory: Path, mode: _Mode, chosen: _Chosen) -> AsyncIterator[bytes]:
    """A pipe between the thread that packs and the connection: packing waits for a slow reader, and ends when it is gone."""
    reads, writes = os.pipe()
    pipe = os.fdopen(writes, "wb")
    packing = asyncio.ensure_future(finished(_pack, directory, mode, chosen, pipe))
    # Also if it never came to pack: as long as the pipe is open, whoever reads from it waits.
    packing.add_done_callback(lambda _: _close(pipe))
    try:
        while piece := await finished(os.read, reads, _PIECE_BYTES):
            yield piece
    finally:
        os.close(reads)
        await packing


def _close(pipe: BinaryIO) -> None:
    with suppress(BrokenPipeError):
        pipe.close()


def _pack(directory: Path, mode: _Mode, chosen: _Chosen, pipe: BinaryIO) -> None:
    # A closed pipe: nobody fetches it any longer.
    with suppress(BrokenPipeError), pipe, tarfile.open(fileobj=pipe, mode=mode) as archive:

        def filtered(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            # A file of two names is a file under each: the second one as a link to the first is for no client.
            archive.inodes.clear()  # type: ignore[attr-defined] # not in the stubs
            return chosen(member)

        for path in sorted(directory.iterdir()):
            archive.add(path, arcname=path.name, filter=filtered)


def _file(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return _any(member) if member.isdir() or member.isreg() else None


def _any(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
