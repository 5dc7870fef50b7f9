"""The data of the workloads can be made, stored and checked by its digests."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from pathlib import Path

from bench.content import blocks, digests_of, store
from bench.workloads import DEPTH, workloads

from s3_server import Bucket


def body(name: str, size_bytes: int) -> bytes:
    return b"".join(blocks(name, size_bytes))


def test_content_is_its_own_incompressible_and_the_same_every_time() -> None:
    assert body("a", 100_003) == body("a", 100_003) != body("b", 100_003)
    assert len(body("a", 100_003)) == 100_003
    assert len(zlib.compress(body("a", 100_003))) > 100_000


def test_stored_objects_have_the_digests_that_are_told(bucket: Bucket) -> None:
    sizes = [(f"w/{path}", 1000) for path in workloads(quick=True)["W5"].data.part("few", 30).paths]
    digests = asyncio.run(store(sizes, bucket.server, bucket.name))
    assert sorted(digests) == bucket.listing()
    for key, digest in digests.items():
        stored = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
        assert hashlib.sha256(stored).hexdigest() == digest
    assert asyncio.run(store(sizes[:1], bucket.server, bucket.name, version=1)) != {sizes[0][0]: digests[sizes[0][0]]}


def test_tree_is_digested_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x")
    assert digests_of(tmp_path) == {"a/b": hashlib.sha256(b"x").hexdigest()}


def test_paths_are_different_and_as_deep_as_said() -> None:
    for workload in workloads(quick=True).values():
        paths = list(workload.data.paths)
        assert len(set(paths)) == len(paths) == workload.data.objects
    assert {path.count("/") for path in workloads(quick=True)["W5"].data.paths} == {DEPTH}
