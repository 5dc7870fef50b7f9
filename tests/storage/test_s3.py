"""The S3 source against a real S3 server: what is found, what arrives, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gadus.config import settings_from
from gadus.core.errors import ChecksumMismatch, InputUnreadable, InputUnsafe, InvalidSpec, NothingMatched, StorageUnavailable
from gadus.core.manifest import Manifest
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.sources import Offer, SourcePromises, content_of, fetch_into
from hostile_s3 import HostileS3
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")


class Input:
    """One bucket as an input: what comes of given params."""

    def __init__(self, bucket: str, endpoint: str, directory: Path) -> None:
        self.source = Source(settings_from())
        self._fixed = {"Bucket": bucket, "Endpoint": endpoint}
        self._directory = directory
        self._count = 0

    def params(self, **params: Any) -> S3Params:
        return S3Params.model_validate({**self._fixed, **params})

    async def resolve(self, **params: Any) -> Manifest:
        return await self.source.resolve(self.params(**params))

    async def files(self, **params: Any) -> dict[str, bytes]:
        self._count += 1
        directory = self._directory / str(self._count)
        directory.mkdir()
        await fetch_into(directory, self.source, self.params(**params))
        return content_of(directory)


@pytest.fixture
def given(bucket: Bucket, tmp_path: Path) -> Input:
    return Input(bucket.name, bucket.server.endpoint, tmp_path)


@pytest.fixture
def hostile(hostile_s3: HostileS3, tmp_path: Path) -> Input:
    return Input("bucket", hostile_s3.server.endpoint, tmp_path)


class TestContract(SourcePromises):
    @pytest.fixture
    def offer(self, bucket: Bucket, given: Input) -> Offer:
        content = {"small.txt": b"small", "empty": b"", "deep/er/x": os.urandom(100_000), "large": os.urandom(20 << 20)}
        for path, body in content.items():
            bucket.put(f"data/{path}", body)
        return Offer(given.source, given.params(Key="data/"), content, given.params(Key="missing"))


MAPPING = [
    ("a/b/c.txt", ["a/b/c.txt", "a/b/c.txt2"], {"c.txt"}),
    ("c.txt", ["c.txt"], {"c.txt"}),
    ("a/b/", ["a/b/x.csv", "a/b/n/y.csv", "a/bc"], {"x.csv", "n/y.csv"}),
    ("a/b/*", ["a/b/x.csv", "a/b/n/y.csv", "a/bc"], {"x.csv", "n/y.csv"}),
    ("a/b*", ["a/b1/x", "a/bb.txt", "a/c"], {"b1/x", "bb.txt"}),
    ("a/b/00*", ["a/b/001.txt", "a/b/002.txt", "a/b/010.txt"], {"001.txt", "002.txt"}),
    ("root/set*", ["root/set1/001.txt", "root/set2/n/301.txt", "root/other"], {"set1/001.txt", "set2/n/301.txt"}),
    ("", ["a/b/x", "y"], {"a/b/x", "y"}),
    ("*", ["a/b/x", "y"], {"a/b/x", "y"}),
]


@pytest.mark.parametrize(("key", "objects", "paths"), MAPPING)
async def test_keys_become_files_as_in_bacalhau(
    bucket: Bucket, given: Input, key: str, objects: list[str], paths: set[str]
) -> None:
    for one in objects:
        bucket.put(one, one.encode())
    assert set(await given.files(Key=key)) == paths


ODD_KEYS = [
    "a b.txt",
    " lead and trail ",
    "plus+plus",
    "percent%41%2F",
    "question?mark#hash",
    "uni/é用.csv",
    "n\u0301ormal",
    "rtl\u202e",
    "quote\"'<&>",
    "dt=2024-01-01/x",
    "star*star",
    "colon:8080",
    "brace{[(|^`~",
    "tab\there",
    "new\nline",
    "control\x01\x7f",
]


async def test_every_key_that_is_a_file_name_arrives_under_it(bucket: Bucket, given: Input) -> None:
    for key in ODD_KEYS:
        bucket.put(f"odd/{key}", key.encode())
    assert await given.files(Key="odd/") == {key: key.encode() for key in ODD_KEYS}


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_a_single_object_is_asked_for_by_its_very_key(bucket: Bucket, given: Input, key: str) -> None:
    bucket.put(key, key.encode())
    assert await given.files(Key=key) == {key.rpartition("/")[2]: key.encode()}


async def test_keys_with_empty_and_dot_segments_reach_the_service_as_they_are(hostile_s3: HostileS3, hostile: Input) -> None:
    keys = ["a//b", "c/./d", "/lead", "x" * 200 + "/" + "y" * 200 + "/" + "z" * 200 + "/" + "w" * 200 + "/" + "v" * 220]
    assert len(keys[-1]) == 1024
    for key in keys:
        hostile_s3.put(key, key.encode())
    assert await hostile.files() == {
        "a/b": b"a//b",
        "c/d": b"c/./d",
        "lead": b"/lead",
        keys[-1]: keys[-1].encode(),
    }
    assert sorted(hostile_s3.keys_asked) == sorted(key.encode() for key in keys)
    assert hostile_s3.requests == {"LIST": 1, "GET": len(keys)}


async def test_keys_come_back_raw_also_from_a_service_that_ignores_the_encoding(hostile_s3: HostileS3, hostile: Input) -> None:
    hostile_s3.honours_encoding = False
    for key in ("a+b", "c%41", "d e", "ü"):
        hostile_s3.put(key, key.encode())
    assert set(await hostile.files()) == {"a+b", "c%41", "d e", "ü"}


UNSAFE = [
    ([b"ok", b"a/../../etc/passwd"], "leaves the directory"),
    ([b"ok", b".."], "leaves the directory"),
    ([b"nul\x00byte"], "null character"),
    ([b"x" * 256], "over 255 bytes"),
    ([b"a//b", b"a/b"], "same file"),
    ([b"a/./b", b"a/b"], "same file"),
    ([b"a", b"a/b"], "need a directory"),
    ([b"a/b/c", b"a"], "need a directory"),
]


@pytest.mark.parametrize(("keys", "why"), UNSAFE)
async def test_keys_that_cannot_be_files_are_refused_before_any_byte_is_fetched(
    hostile_s3: HostileS3, hostile: Input, keys: list[bytes], why: str
) -> None:
    for key in keys:
        hostile_s3.put(key, b"body")
    with pytest.raises(InputUnsafe, match=why) as caught:
        await hostile.files()
    assert "Filter" in caught.value.hint
    assert hostile_s3.requests["GET"] == 0


async def test_all_unsafe_keys_are_named_at_once(hostile_s3: HostileS3, hostile: Input) -> None:
    for key in ("../one", "two/../../x", "y" * 300):
        hostile_s3.put(key, b"")
    with pytest.raises(InputUnsafe) as caught:
        await hostile.resolve()
    assert all(key in caught.value.message for key in ("'../one'", "'two/../../x'", "y" * 300))


async def test_a_bucket_holding_a_and_a_slash_b_is_refused_by_name(bucket: Bucket, given: Input) -> None:
    bucket.put("a", b"1")
    bucket.put("a/b", b"2")
    with pytest.raises(InputUnsafe, match="'a': would be a file, and other keys need a directory"):
        await given.files()
    assert await given.files(Key="a/") == {"b": b"2"}


async def test_a_marker_makes_an_empty_directory(bucket: Bucket, given: Input) -> None:
    for key in ("d/", "d/empty/", "d/full/", "d/full/x"):
        bucket.put(key)
    manifest = await given.resolve(Key="d/")
    assert manifest.directories == ("empty",)
    assert [item.path for item in manifest.items] == ["full/x"]


async def test_a_marker_with_data_is_never_dropped_silently(hostile_s3: HostileS3, hostile: Input) -> None:
    hostile_s3.put("d/", b"data")
    with pytest.raises(InputUnsafe, match="'d/'"):
        await hostile.resolve()


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
        assert (await given.resolve(**params, OnEmpty="allow")).items == ()


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
    with pytest.raises(InvalidSpec, match="pins one object, and there are 2 under"):
        await given.resolve(Key="data/", ChecksumSHA256=hashlib.sha256(b"v").hexdigest())


WRONG_PARAMS = [
    ({"Bucket": ""}, "bucket cannot be empty"),
    ({"Bucket": "no/slash"}, "not the name of a bucket"),
    ({"Key": "a/", "VersionID": "v"}, "VersionID pins a single object"),
    ({"Key": "a", "Filter": "x"}, "Filter selects among many"),
    ({"Key": "a/", "Filter": "(?=x)"}, "invalid regex pattern"),
    ({"Key": "a/", "Filter": "("}, "invalid regex pattern"),
    ({"Key": "a", "ChecksumSHA256": "abc"}, "64 hex digits or as base64"),
    ({"Endpoint": "localhost:9000"}, "is not the URL of a service"),
    ({"Endpoint": "http://me:secret@host"}, "credentials come from the environment"),
    ({"Key": "k" * 1025}, "over 1024 bytes"),
]


@pytest.mark.parametrize(("params", "why"), WRONG_PARAMS)
def test_wrong_params_are_refused_at_submission(params: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        S3Params.model_validate({"Bucket": "bucket", **params})


def test_no_pattern_can_hang_a_node() -> None:
    params = S3Params.model_validate({"Bucket": "bucket", "Filter": "^(a+)+$"})
    assert params.filter == "^(a+)+$"


async def test_a_missing_bucket_is_named(given: Input) -> None:
    with pytest.raises(InputUnreadable, match="bucket 'no-such-bucket' does not exist at http"):
        await given.resolve(Bucket="no-such-bucket", Key="x/")


async def test_a_missing_key_names_its_nearest(bucket: Bucket, given: Input) -> None:
    bucket.put("data/report-2024.csv")
    with pytest.raises(InputUnreadable, match="does not exist") as caught:
        await given.resolve(Key="data/reprot-2024.csv")
    assert "data/report-2024.csv" in caught.value.hint
    with pytest.raises(InputUnreadable) as caught:
        await given.resolve(Key="data")
    assert "write data/ for all objects below it" in caught.value.hint


async def test_without_credentials_the_error_says_where_was_looked(
    bucket: Bucket, given: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("k")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(InputUnreadable, match=r"no credentials were found.*environment") as caught:
        await given.resolve(Key="k")
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


async def test_wrong_credentials_are_named_and_never_shown(
    bucket: Bucket, given: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-secret")
    with pytest.raises(InputUnreadable, match="secret key does not belong") as caught:
        await given.resolve(Key="k")
    assert "wrong-and-secret" not in str(caught.value) + caught.value.hint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "NOBODY")
    other = Input(bucket.name, bucket.server.endpoint, Path())
    with pytest.raises(InputUnreadable, match="does not know the access key"):
        await other.resolve(Key="k")


async def test_a_refused_connection_says_which_endpoint(given: Input) -> None:
    with pytest.raises(StorageUnavailable, match=r"http://127\.0\.0\.1:1 cannot be reached: Connection refused"):
        await given.resolve(Endpoint="http://127.0.0.1:1", Key="k")


async def test_credentials_come_from_a_profile_in_the_files(
    bucket: Bucket, given: Input, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket.put("k", b"v")
    server = bucket.server
    (tmp_path / "credentials").write_text(
        f"[work]\naws_access_key_id = {server.access_key}\naws_secret_access_key = {server.secret_key}\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert await Input(bucket.name, server.endpoint, tmp_path).files(Key="k") == {"k": b"v"}


async def test_a_listing_that_never_ends_is_noticed(hostile_s3: HostileS3, hostile: Input) -> None:
    hostile_s3.put("a", b"")
    hostile_s3.repeated_token = "again"
    with pytest.raises(StorageUnavailable, match="repeats itself"):
        await hostile.resolve()
    assert hostile_s3.requests["LIST"] <= 3


async def test_ten_thousand_objects_take_one_get_each_and_one_list_a_page(hostile_s3: HostileS3, hostile: Input) -> None:
    for number in range(10_000):
        hostile_s3.put(f"many/{number:05}", b"%d" % number)
    files = await hostile.files(Key="many/")
    assert files == {f"{number:05}": b"%d" % number for number in range(10_000)}
    assert hostile_s3.requests == {"LIST": 10, "GET": 10_000}


async def test_an_object_of_untold_length_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nConnection: close\r\n\r\n')
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StorageUnavailable, match="does not say how long"):
            await Input("bucket", f"http://127.0.0.1:{port}", tmp_path).resolve(Key="k")
