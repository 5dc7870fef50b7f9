"""The beginnings of what the programs of an ended job wrote, asked of the server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from gadus.client import Api
from gadus.contracts import Stream
from gadus.core.errors import NotFound

from .frames import frames_of
from .show.ended import Ended, Written
from .show.ending import TEXT_LIMIT_BYTES, text_of


class Outputs:
    """Both streams of one execution."""

    def __init__(self) -> None:
        self._begun = {stream.value: bytearray() for stream in Stream}

    @property
    def full(self) -> bool:
        """Whether no more is needed of either."""
        return all(len(data) > TEXT_LIMIT_BYTES for data in self._begun.values())

    def add(self, stream: Stream, data: bytes) -> None:
        """The next bytes of a stream; those that are too many are dropped."""
        begun = self._begun[stream.value]
        begun += data[: TEXT_LIMIT_BYTES + 1 - len(begun)]

    def of(self, stream: str) -> Written:
        """The beginning of the stream of this name."""
        return Written(*text_of(bytes(self._begun[stream])))


async def outputs_of(api: Api, ended: Ended) -> Mapping[str, Outputs]:
    """By the ids of the executions."""
    outputs = {}
    for one in ended.executions:
        outputs[one["ID"]] = gathered = Outputs()
        # Removed since, or it failed before it wrote anything.
        with suppress(NotFound):
            async with frames_of(api, ended.job_id, execution_id=one["ID"]) as frames:
                async for frame in frames:
                    gathered.add(frame.stream, frame.data)
                    if gathered.full:
                        break
    return outputs
