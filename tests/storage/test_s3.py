"""The S3 source against a real S3 server: what is found, and what arrives."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from pathlib import Path

import pytest
from s3_input import Input

from gadus.core.errors import ChecksumMismatch, InputUnreadable, InvalidSpec, NothingMatched, StorageUnavailable
from gadus.s3.ranges import RANGES
from gadus.testing.sources import Offer, SourcePromises
from hostile_s3 import HostileS3
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")


class TestContract(SourcePromises):
    @pytest.fixture
    def offer(self, bucket: Bucket, given: Input) -> Offer:
        content = {"small.txt": b"small", "empty": b"", "deep/er/x": os.urandom(100_000), "large": os.urandom(20 << 20)}
        for path, body in content.items():
            bucket.put(f"data/{path}", body)
        return Offer(given.source, given.params(Key="data/"), content, given.params(Key="missing"))


class TestPinnedObject(SourcePromises):
    """A digest follows the parts while they arrive in any order."""

    @pytest.fixture
    def offer(self, bucket: Bucket, given: Input) -> Offer:
        body = os.urandom(20 << 20)
        bucket.put("large", body)
        pinned = given.params(Key="large", ChecksumSHA256=hashlib.sha256(body).hexdigest())
        return Offer(given.source, pinned, {"large": body}, given.params(Key="missing"))


FILTERS = [
    ("set1/*", "[0-1]01.txt", {"001.txt", "101.txt"}),
    ("set2/", "nested/.*", {"nested/301.txt"}),
    ("", "^set1/.*", {"set1/001.txt", "set1/101.txt", "set1/201.txt"}),
    ("set*", "^1/", {"set1/001.txt", "set1/101.txt", "set1/201.txt"}),
]


@pytest.mark.parametrize(("key", "pattern", "paths"), FILTERS)
async def test_the_filter_sees_the_key_after_the_prefix(
    bucket: Bucket, given: Input, key: str, pattern: str, paths: set[str]
) -> None:
    for one in ("set1/001.txt", "set1/101.txt", "set1/201.txt", "set2/001.txt", "set2/nested/301.txt"):
        bucket.put(one)
    assert set(await given.files(Key=key, Filter=pattern)) == paths


async def test_nothing_matched_is_an_error_unless_allowed(bucket: Bucket, given: Input) -> None:
    bucket.put("a/x")
    for params in ({"Key": "b/"}, {"Key": "a/", "Filter": "no such"}):
        with pytest.raises(NothingMatched, match="no object under"):
            await given.resolve(**params)
        assert await given.items(**params, OnEmpty="allow") == []


async def test_an_older_version_is_what_is_fetched(bucket: Bucket, given: Input) -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    old = bucket.client.put_object(Bucket=bucket.name, Key="k", Body=b"old")["VersionId"]
    bucket.put("k", b"new!")
    assert await given.files(Key="k", VersionID=old) == {"k": b"old"}
    assert await given.files(Key="k") == {"k": b"new!"}
    with pytest.raises(InputUnreadable, match="no version"):
        await given.resolve(Key="k", VersionID="nope")


async def test_the_checksum_is_that_of_the_bytes_in_hex_or_base64(bucket: Bucket, given: Input) -> None:
    body = os.urandom(30 << 20)
    bucket.put("k", body)
    digest = hashlib.sha256(body).digest()
    for right in (digest.hex(), digest.hex().upper(), base64.b64encode(digest).decode()):
        assert await given.files(Key="k", ChecksumSHA256=right) == {"k": body}
    for wrong in ("0" * 64, base64.b64encode(bytes(32)).decode()):
        with pytest.raises(ChecksumMismatch, match=f"got {digest.hex()}"):
            await given.files(Key="k", ChecksumSHA256=wrong)


async def test_a_checksum_with_a_prefix_holds_for_the_only_object_under_it(bucket: Bucket, given: Input) -> None:
    bucket.put("data/one", b"v")
    assert await given.files(Key="data/", ChecksumSHA256=hashlib.sha256(b"v").hexdigest()) == {"one": b"v"}
    with pytest.raises(ChecksumMismatch):
        await given.files(Key="data/", ChecksumSHA256="0" * 64)
    bucket.put("data/two", b"v")
    with pytest.raises(InvalidSpec, match="pins one object, and there are more under"):
        await given.resolve(Key="data/", ChecksumSHA256=hashlib.sha256(b"v").hexdigest())


async def test_a_listing_that_never_ends_is_noticed(hostile_s3: HostileS3, hostile: Input) -> None:
    hostile_s3.put("a", b"")
    hostile_s3.repeated_token = "again"
    with pytest.raises(StorageUnavailable, match="repeats itself"):
        await hostile.resolve()
    assert hostile_s3.requests["LIST"] <= 3


async def test_ten_thousand_objects_take_one_get_each_and_few_lists(hostile_s3: HostileS3, hostile: Input) -> None:
    for number in range(10_000):
        hostile_s3.put(f"many/{number:05}", b"%d" % number)
    files = await hostile.files(Key="many/")
    assert files == {f"{number:05}": b"%d" % number for number in range(10_000)}
    assert (hostile_s3.requests["GET"], hostile_s3.requests["HEAD"]) == (10_000, 0)
    # Ten pages; a service that is slow is asked for several ranges at once, which costs at most two pages each.
    assert 10 <= hostile_s3.requests["LIST"] <= 10 + 2 * RANGES


async def test_an_object_of_untold_length_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nConnection: close\r\n\r\n')
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StorageUnavailable, match="does not say how long"):
            await Input("bucket", f"http://127.0.0.1:{port}", tmp_path).resolve(Key="k")
