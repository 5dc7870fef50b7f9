"""A further job over data that is here: nothing is fetched, everything is asked for, and the receipt says so."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from driving import Watching, completed, driven, leftovers, receipt_of, records_of, s3_input, spec, stdout_of

from faultproxy import FaultProxy
from gadus.config import Settings
from gadus.contracts import Stream
from gadus.core.job import State
from gadus.orchestrator.service import Service
from gadus.wiring import open_service
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")


def put(bucket: Bucket, **bodies: bytes) -> dict[str, str]:
    """Objects below d/; gives their ETags by path."""
    return {name: bucket.put(f"d/{name}", body) for name, body in bodies.items()}


async def test_second_job_fetches_nothing_and_asks_once(
    settings: Settings, service: Service, bucket: Bucket, proxy: FaultProxy
) -> None:
    put(bucket, a=b"aaa", b=b"bb")
    wanted = spec("list", "/in", inputs=(s3_input(bucket, endpoint=proxy.server.endpoint),))
    first = await completed(service, wanted)
    proxy.requests.clear()
    # Also one that knows nothing from before but what is on the disk.
    with open_service(settings) as anew:
        for one in (service, anew):
            job = await completed(one, wanted)
            assert sorted(stdout_of(one, job)[0]) == ["a", "b"]
            assert job.pins == first.pins
            assert [request.method for request in proxy.requests] == ["GET"]
            assert proxy.requests.pop().query["prefix"] == "d/"


async def test_second_job_of_many_parts_fetches_nothing_and_asks_once(
    service: Service, bucket: Bucket, proxy: FaultProxy
) -> None:
    put(bucket, a=b"aaa", b=b"bb", c=b"c", d=b"d")
    asked = s3_input(bucket, endpoint=proxy.server.endpoint, Partition={"Type": "bytes"})
    first = await completed(service, spec("list", "/in", inputs=(asked,), count=2))
    proxy.requests.clear()
    again = await completed(service, spec("list", "/in", inputs=(asked,), count=2))
    assert stdout_of(service, again) == stdout_of(service, first)
    assert len(proxy.requests) == 1


async def test_only_what_changed_is_fetched_again(service: Service, bucket: Bucket, proxy: FaultProxy) -> None:
    put(bucket, a=b"aaa", b=b"bb")
    wanted = spec("list", "/in", inputs=(s3_input(bucket, endpoint=proxy.server.endpoint),))
    await completed(service, wanted)
    put(bucket, b=b"BB", c=b"c")
    proxy.requests.clear()
    job = await completed(service, wanted)
    assert sorted(request.key for request in proxy.seen("GET", "?*")) == ["d/b", "d/c"]
    (received,) = receipt_of(service, job)["inputs"]
    assert (received["objects"], received["fetched_objects"], received["fetched_bytes"]) == (3, 2, 3)
    came = [line["came"] for line in records_of(service, job)]
    assert came == ["cache", "fetched", "fetched"]


@pytest.mark.parametrize("who", ["a stranger", "anonymous"])
async def test_who_may_not_read_there_does_not_read_from_the_cache(
    settings: Settings, service: Service, bucket: Bucket, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    put(bucket, a=b"secret")
    await completed(service, spec("read", "/in/a", inputs=(s3_input(bucket, endpoint=proxy.server.endpoint),)))
    proxy.requests.clear()
    if who == "a stranger":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody-elses")
    asked = s3_input(bucket, endpoint=proxy.server.endpoint, **({"Anonymous": True} if who == "anonymous" else {}))
    with open_service(settings) as theirs:
        watching = Watching()
        job = await driven(theirs, spec("read", "/in/a", inputs=(asked,)), watching)
    assert job.state is State.FAILED
    assert job.executions[0].outcome is not None
    assert job.executions[0].outcome.error is not None
    assert job.executions[0].outcome.error.kind == "InputUnreadable"
    assert watching.said[Stream.STDOUT] == b""
    assert proxy.seen("GET", ""), "the service was asked"


async def test_receipt_tells_first_fetched_then_cached(service: Service, bucket: Bucket) -> None:
    etags = put(bucket, a=b"aaa", b=b"bb")
    wanted = spec("list", "/in", inputs=(s3_input(bucket),))
    for cached in (False, True):
        job = await completed(service, wanted)
        (received,) = receipt_of(service, job)["inputs"]
        assert (received["target"], received["objects"], received["bytes"]) == ("/in", 2, 5)
        assert (received["fetched_objects"], received["fetched_bytes"]) == ((0, 0) if cached else (2, 5))
        assert received["verified"] == {"size and ETag": 2}
        assert received["digest"] == job.pins[0].digest
        first = sorted(received["first_objects"], key=lambda line: line["path"])
        for line, (name, etag) in zip(first, sorted(etags.items()), strict=True):
            assert (line["key"], line["path"], line["etag"]) == (f"d/{name}", name, etag)
            assert line["came"] == ("cache" if cached else "fetched")
            assert ("seconds" in line) is not cached
        assert received["all_objects"].endswith(".cached.jsonl") is cached
        records = records_of(service, job)
        assert [(line["path"], line["bytes"]) for line in records] == [("a", 3), ("b", 2)]


async def test_program_that_writes_into_its_input_has_a_copy_of_its_own(
    settings: Settings, service: Service, bucket: Bucket
) -> None:
    put(bucket, a=b"original", b=b"other")
    asked = s3_input(bucket, ReadWrite=True)
    await completed(service, spec("write", "/in/a", "changed", inputs=(asked,)))
    job = await completed(service, spec("write", "/in/new", "made", inputs=(asked,), count=2))
    assert [one.outcome.exit_code for one in job.executions if one.outcome] == [0, 0]
    kept = {path.read_bytes() for path in (settings.cache_dir / "objects").rglob("*") if path.is_file()}
    assert {b"original", b"other"} <= kept
    assert kept.isdisjoint({b"changed", b"made"})
    for writable in (True, False):
        again = s3_input(bucket, ReadWrite=writable)
        watching = Watching()
        job = await completed(service, spec("read", "/in/a", inputs=(again,)), watching)
        assert watching.said[Stream.STDOUT] == b"original"
        assert receipt_of(service, job)["inputs"][0]["fetched_objects"] == 0
        assert sorted(stdout_of(service, await completed(service, spec("list", "/in", inputs=(again,))))[0]) == ["a", "b"]
    assert leftovers(settings) == []


def sums(**bodies: bytes) -> bytes:
    """What ``sha256sum`` says of files with these contents."""
    return b"".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode() for name, body in bodies.items())


def checked_by(bucket: Bucket, text: bytes, **more: Any) -> dict[str, Any]:
    """An input whose digests are in `text`."""
    bucket.put("SHA256SUMS", text)
    return s3_input(bucket, ChecksumManifest=f"s3://{bucket.name}/SHA256SUMS", **more)


async def test_every_object_is_verified_by_the_checksum_manifest(service: Service, bucket: Bucket) -> None:
    put(bucket, a=b"aaa", b=b"bb")
    asked = checked_by(bucket, sums(a=b"aaa", b=b"bb", unused=b"-"))
    for _ in range(2):
        job = await completed(service, spec("list", "/in", inputs=(asked,)))
        assert receipt_of(service, job)["inputs"][0]["verified"] == {"SHA-256": 2}
        digests = [line["sha256"] for line in records_of(service, job)]
        assert digests == [hashlib.sha256(body).hexdigest() for body in (b"aaa", b"bb")]


async def test_cached_bytes_that_nobody_hashed_are_fetched_again_for_a_checksum_manifest(
    service: Service, bucket: Bucket
) -> None:
    put(bucket, a=b"aaa")
    await completed(service, spec("list", "/in", inputs=(s3_input(bucket),)))
    job = await completed(service, spec("list", "/in", inputs=(checked_by(bucket, sums(a=b"aaa")),)))
    (received,) = receipt_of(service, job)["inputs"]
    assert (received["fetched_objects"], received["verified"]) == (1, {"SHA-256": 1})


async def test_wrong_digest_fails_the_job_and_keeps_nothing_of_the_object(
    settings: Settings, service: Service, bucket: Bucket
) -> None:
    put(bucket, a=b"aaa", b=b"bb")
    job = await driven(service, spec("list", "/in", inputs=(checked_by(bucket, sums(a=b"aaa", b=b"other")),)))
    assert job.state is State.FAILED
    assert "checksum mismatch" in job.message
    assert "d/b" in job.message
    assert len(job.executions) == 1, "a retry cannot help"
    kept = {path.read_bytes() for path in (settings.cache_dir / "objects").rglob("*") if path.is_file()}
    assert b"bb" not in kept
    assert leftovers(settings) == []


async def test_object_without_a_digest_fails_the_job_by_name(service: Service, bucket: Bucket) -> None:
    put(bucket, a=b"aaa", b=b"bb")
    job = await driven(service, spec("list", "/in", inputs=(checked_by(bucket, sums(a=b"aaa")),)))
    assert job.state is State.FAILED
    assert "has no digest for 'd/b'" in job.message
