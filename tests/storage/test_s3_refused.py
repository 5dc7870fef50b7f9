"""What the S3 source refuses, or is refused: each with its cause and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from s3_input import Input

from gadus.core.errors import InputUnreadable, StorageUnavailable
from gadus.storage._s3_params import S3Params
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")

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
