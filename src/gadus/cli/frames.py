"""What programs wrote, as the API sends it: one frame after the other, byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gadus.client import Api
from gadus.client.api import Value, in_path
from gadus.contracts import Stream
from gadus.core.errors import Unavailable

_STREAMS = {1: Stream.STDOUT, 2: Stream.STDERR}


@dataclass(frozen=True, slots=True)
class Frame:
    """Some bytes that an execution wrote to one of its streams."""

    execution: str
    index: int
    stream: Stream
    data: bytes


@asynccontextmanager
async def frames_of(
    api: Api, job_id: str, *, execution_id: str = "", follow: bool = False, query: Mapping[str, Value] | None = None
) -> AsyncIterator[AsyncIterator[Frame]]:
    """
    The frames of a job, or of one execution; with `follow` until it has ended or the server does.

    `query` is what else the route knows. Raises as `Api.ask`.
    """
    asked: dict[str, Value] = {
        "follow": follow,
        "exact": True,
        "execution_id": execution_id,
        "format": "ndjson",
        **(query or {}),
    }
    async with api.lines(f"/orchestrator/jobs/{in_path(job_id)}/logs", query=asked) as documents:
        yield (_frame(document) async for document in documents)


def _frame(document: Mapping[str, Any]) -> Frame:
    if document.get("error"):
        raise Unavailable(str(document["error"]))
    value = document["value"]
    data = value["Line"].encode("utf-8", "surrogateescape")
    return Frame(str(value["ExecutionID"]), int(value["PartitionIndex"]), _STREAMS[value["Type"]], data)
