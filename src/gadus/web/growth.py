"""What the programs of a job write while they run: one task looks at its files, however many clients follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from gadus.contracts import Stream
from gadus.core.errors import GadusError
from gadus.core.job import Execution, Job
from gadus.runner.ring_reader import RingReader

from .answering import Rooms

_LOOK_SECONDS = 0.1


class Growth:
    """The jobs that somebody follows."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._followed: dict[str, Followed] = {}

    @property
    def followers(self) -> int:
        """How many clients follow a job now."""
        return sum(one.followers for one in self._followed.values())

    @asynccontextmanager
    async def of(self, job: Job) -> AsyncIterator[Followed]:
        """The job, looked at while the block lasts."""
        followed = self._followed.get(job.id)
        if followed is None:
            followed = self._followed[job.id] = Followed(self._rooms, job)
        followed.followers += 1
        try:
            yield followed
        finally:
            followed.followers -= 1
            if not followed.followers:
                del self._followed[job.id]
                await followed.close()


class Followed:
    """
    A job and the files that its programs write, as they were at the last look.

    `next` is set, and another one takes its place, when there is more to read or the job has changed; `failure` is what is
    wrong with the looking, which then has ended. `kept_bytes` is what is kept of a stream, however much is written to it.
    """

    def __init__(self, rooms: Rooms, job: Job) -> None:
        self.known = Known(job)
        self.followers = 0
        self.failure: GadusError | None = None
        self.next = asyncio.Event()
        self._rooms = rooms
        self.kept_bytes = rooms.settings.log_limit_bytes
        self._files: dict[tuple[str, Stream], _File] = {}
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Look no longer."""
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking

    @contextmanager
    def file(self, one: Execution, stream: Stream) -> Iterator[_File]:
        """What `one` writes to `stream`; open at most once for all followers."""
        key = (one.id, stream)
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = _File(self._places(one, stream))
        file.users += 1
        try:
            yield file
        finally:
            file.users -= 1
            if not file.users:
                self._files.pop(key).close()

    async def _look(self) -> None:
        closing = asyncio.create_task(self._rooms.closing.wait())
        try:
            while not closing.done():
                await asyncio.wait([closing], timeout=_LOOK_SECONDS)
                job = self._rooms.server.job(self.known.job.id)
                grown = sum(file.grown() for file in self._files.values())
                if job.version != self.known.job.version:
                    self.known = Known(job)
                elif not grown and not closing.done():
                    continue
                self._tell()
        except GadusError as error:
            self.failure = error
            self._tell()
        finally:
            closing.cancel()

    def _tell(self) -> None:
        told, self.next = self.next, asyncio.Event()
        told.set()

    def _places(self, one: Execution, stream: Stream) -> tuple[Path, ...]:
        settings = self._rooms.settings
        # The growing file becomes the kept one between two looks: then the second look at the first place finds it.
        kept = settings.results_of(self.known.job.id, one.id) / stream.value
        return kept, settings.growing_results_of(one.id) / stream.value, kept


class Known:
    """A job at some moment, with its executions by their ids."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @cached_property
    def executions(self) -> Mapping[str, Execution]:
        return {one.id: one for one in self.job.executions}


class _File:
    """One file for many readers; `mark` is another one whenever a look found more in it."""

    def __init__(self, places: tuple[Path, ...]) -> None:
        self.users = 0
        self._places = places
        self._first: RingReader | None = None
        self.mark: tuple[int, ...] = ()

    def reader(self) -> RingReader | None:
        """A reader at the beginning of the file; None as long as there is no file."""
        if self._first is None:
            self._first = self._opened()
        return self._first.again() if self._first else None

    def grown(self) -> bool:
        """Whether there is more to read than at the look before."""
        if self._first is None:
            return any(path.exists() for path in self._places)
        before = self.mark
        # The process may have no file left to look with: whoever follows is told at a later look, and never forgotten.
        with suppress(OSError):
            self.mark = self._first.mark()
        return self.mark != before

    def close(self) -> None:
        if self._first is not None:
            self._first.close()

    def _opened(self) -> RingReader | None:
        for path in self._places:
            with suppress(OSError):
                return RingReader(path)
        return None
