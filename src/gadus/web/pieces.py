"""What programs wrote, piece by piece in the order in which it is found: to the end, or as long as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from gadus.contracts import Stream
from gadus.core.job import Execution
from gadus.runner.ring_reader import RingReader
from gadus.threads import finished

from .growth import Followed, Known

_BLOCK_BYTES = 1 << 15
_TURN_BYTES = 1 << 20
"""So much of a stream is given before the streams of other executions have their turn."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of one stream of the execution with this `index`; none when it is the `last` one and all was given."""

    execution: str
    stream: Stream
    data: bytes
    last: bool = False
    index: int = 0


@dataclass(frozen=True, slots=True)
class Following:
    """
    Whom to follow, and until when.

    `chosen` are some executions of the job, and `over` whether no further one will come. Unless `grows`, what there is now is
    enough; of that, only the `last_lines` of each stream are wanted, if they are not None.
    """

    chosen: Callable[[Known], Collection[Execution]]
    over: Callable[[Known], bool]
    grows: bool
    last_lines: int | None = None


async def pieces(followed: Followed, closing: asyncio.Event, following: Following) -> AsyncIterator[Piece]:
    """Every piece that `following` asks for. Raises GadusError when the job can be looked at no longer."""
    begun: dict[str, _Reading] = {}
    read: set[str] = set()
    last_lines = following.last_lines
    with ExitStack() as open_files:
        while True:
            # Taken before reading: what is written meanwhile sets it.
            more, known = followed.next, followed.known
            if followed.failure is not None:
                raise followed.failure
            ends = not following.grows or closing.is_set() or following.over(known)
            chosen = {one.id: one for one in following.chosen(known)}
            # One that was lost, and whose place another has taken, is read to its end.
            for one in (*chosen.values(), *(known.executions[lost] for lost in begun if lost not in chosen)):
                if one.id in read:
                    continue
                if one.id not in begun:
                    begun[one.id] = open_files.enter_context(_Reading(followed, one, last_lines))
                last = ends or one.state.final
                async for piece in begun[one.id].new(last=last, whole=one.state.final):
                    yield piece
                if last:
                    begun.pop(one.id).close()
                    read.add(one.id)
            if ends:
                return
            # What begins later is new from its first line.
            last_lines = None
            if not any(reading.behind for reading in begun.values()):
                await more.wait()


class _Reading:
    """Both streams of one execution, each read on from where it was; `behind` when not all that is there was read."""

    def __init__(self, followed: Followed, one: Execution, last_lines: int | None) -> None:
        self.behind = False
        self._id, self._index = one.id, one.index
        self._kept_bytes = followed.kept_bytes
        self._open = ExitStack()
        self._files = {stream: self._open.enter_context(followed.file(one, stream)) for stream in Stream}
        self._readers: dict[Stream, RingReader] = {}
        if last_lines is not None:
            for stream in Stream:
                if reader := self._reader(stream):
                    reader.skip_to_last_lines(last_lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no more."""
        self._open.close()

    async def new(self, *, last: bool, whole: bool) -> AsyncIterator[Piece]:
        """
        What was not given yet, ending with a `last` piece if it is the last that is asked for.

        One stream after the other when it is `whole`, else a block of each in turn; not all of it when that is so much that
        other executions would wait, and no more than is kept of a stream at any time: it may grow quicker than it is sent.
        """
        most_bytes = self._kept_bytes if last else _TURN_BYTES
        self.behind = False
        for streams in [[one] for one in Stream] if whole else [list(Stream)]:
            given = dict.fromkeys(streams, 0)
            while streams:
                for stream in streams.copy():
                    data = await self._block(stream, whole=whole)
                    if data:
                        given[stream] += len(data)
                        yield Piece(self._id, stream, data, index=self._index)
                    if not data or (given[stream] >= most_bytes and not whole):
                        streams.remove(stream)
                        self.behind |= bool(data)
            if last:
                for stream in given:
                    yield Piece(self._id, stream, b"", last=True, index=self._index)

    async def _block(self, stream: Stream, *, whole: bool) -> bytes:
        reader = self._reader(stream)
        if reader is None:
            return b""
        if whole:
            # It may have been written long ago: the disk takes its time.
            return await finished(reader.read, _BLOCK_BYTES)
        # Others have their turn, too.
        await asyncio.sleep(0)
        return reader.read(_BLOCK_BYTES)

    def _reader(self, stream: Stream) -> RingReader | None:
        if stream not in self._readers and (reader := self._files[stream].reader()):
            self._readers[stream] = reader
        return self._readers.get(stream)
