"""A job as one document: what has a million objects is written piece by piece."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from gadus.cli.show.records import described_as_json
from gadus.core.errors import NotFound

OBJECTS = 50_000
FIRST = [{"key": "logs/first", "path": "first", "bytes": 1}]
MANIFEST = {"Target": "/in", "Digest": "d" * 64, "Objects": OBJECTS, "Items": FIRST, "ItemsLeftOut": OBJECTS - 1}


@asynccontextmanager
async def every_object(digest: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    assert digest == MANIFEST["Digest"]

    async def objects() -> AsyncIterator[dict[str, Any]]:
        for number in range(OBJECTS):
            yield {
                "key": f"logs/2024-{number:07}.txt",
                "path": f"2024-{number:07}.txt",
                "bytes": number,
                "etag": f'"{number:032}"',
            }

    yield objects()


def removed(digest: str) -> AbstractAsyncContextManager[AsyncIterator[dict[str, Any]]]:
    raise NotFound(f"the manifest {digest} is not there any more")


def answer(*manifests: dict[str, Any]) -> dict[str, Any]:
    """The API's answer, with its parts in another order than people read them."""
    executions = {"NextToken": "", "Items": [{"ID": "e-1"}]}
    return {
        "History": {"NextToken": "", "Items": []},
        "Manifests": [*manifests],
        "Executions": executions,
        "Job": {"ID": "j-1"},
    }


async def test_every_object_is_in_the_document_and_none_in_memory():
    tracemalloc.start()
    try:
        size_bytes = 0
        async for piece in described_as_json(answer(MANIFEST), every_object, pretty=False):
            size_bytes += len(piece)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size_bytes > 5e6
    assert most < 3e6


async def test_pieces_are_one_document():
    for pretty in (False, True):
        two = answer(MANIFEST, MANIFEST | {"Target": "/two"})
        document = json.loads("".join([piece async for piece in described_as_json(two, every_object, pretty=pretty)]))
        assert list(document) == ["Job", "Executions", "History", "Manifests"]
        assert document["Executions"]["Items"] == [{"ID": "e-1"}]
        for manifest in document["Manifests"]:
            assert len(manifest["Items"]) == manifest["Objects"] == OBJECTS
            assert manifest["ItemsLeftOut"] == 0


async def test_input_whose_objects_nobody_knows_any_more_has_the_first_ones():
    document = json.loads("".join([piece async for piece in described_as_json(answer(MANIFEST), removed, pretty=False)]))
    assert document["Manifests"] == [MANIFEST]


async def test_job_without_known_inputs_has_no_manifests():
    document = json.loads("".join([piece async for piece in described_as_json(answer(), every_object, pretty=True)]))
    assert document["Manifests"] == []
