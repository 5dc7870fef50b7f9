"""Jobs as documents: what has a million objects is written piece by piece."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

from gadus.cli.show.records import described_as_json
from gadus.core.job import Job, Pin
from gadus.core.manifest import Item
from gadus.core.spec import JobSpec

OBJECTS = 100_000


def items() -> Iterator[Item]:
    return (Item(f"logs/2024-{number:07}.txt", f"2024-{number:07}.txt", number, f'"{number:032}"') for number in range(OBJECTS))


def job() -> Job:
    spec = JobSpec.model_validate({"Type": "batch", "Tasks": [{"Name": "main", "Engine": {"Type": "wasm"}}]})
    pin = Pin(target="/in", location="s3://bucket@http://host", digest="d" * 64, objects=OBJECTS, size_bytes=1)
    return Job(id="j-1", spec=spec, created_at=1, begun_at=1, modified_at=2, pins=(pin,))


def test_every_object_is_in_the_document_and_none_in_memory():
    tracemalloc.start()
    try:
        size_bytes = sum(len(piece) for piece in described_as_json(job(), [], lambda _: items(), pretty=False))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size_bytes > 10e6
    assert most < 3e6


def test_pieces_are_one_document():
    for pretty in (False, True):
        document = json.loads("".join(described_as_json(job(), [], lambda _: items(), pretty=pretty)))
        (manifest,) = document["Manifests"]
        assert len(manifest["Items"]) == manifest["Objects"] == OBJECTS


def test_job_without_known_inputs_has_no_manifests():
    unknown = job().model_copy(update={"pins": ()})
    assert json.loads("".join(described_as_json(unknown, [], lambda _: items(), pretty=True)))["Manifests"] == []
