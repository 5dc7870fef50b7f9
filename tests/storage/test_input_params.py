"""What the params of the sources have in common, and what S3 adds: wrong ones are refused at submission."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gadus import plugins
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile.decode import decode_params
from gadus.core.partition import InputParams
from gadus.storage._s3_params import S3Params

ONE_OF_EACH = {
    "s3": {"Bucket": "bucket"},
    "urldownload": {"URL": "https://example.com/f.csv"},
    "inline": {"URL": "data:,text"},
}
BY_KEY = {"Partition": {"Type": "object"}}


def s3(key: str, **params: Any) -> S3Params:
    return S3Params.model_validate({"Bucket": "bucket", "Key": key} | params)


def params_of(source: str, **params: Any) -> InputParams:
    return decode_params(plugins.load("storage", source).Params, ONE_OF_EACH[source] | params, "Params")


@pytest.mark.parametrize("source", ONE_OF_EACH)
def test_every_input_is_read_only_and_whole_unless_it_is_said(source: str) -> None:
    assert params_of(source).read_write is False
    assert params_of(source, ReadWrite=True).read_write is True
    assert params_of(source, Partition={"Type": "none"}).partition.shares_out is False


def test_many_objects_can_be_shared_out() -> None:
    assert params_of("s3", **BY_KEY).partition.shares_out
    archive = params_of("inline", URL="data:application/gzip;base64,", **BY_KEY)
    assert archive.partition.shares_out
    assert archive.subject("./a/b") == "./a/b"


@pytest.mark.parametrize("source", ["urldownload", "inline"])
def test_a_single_file_is_not_shared_out(source: str) -> None:
    with pytest.raises(InvalidSpec, match=r"Partition.*single file.*: leave it out"):
        params_of(source, **BY_KEY)


@pytest.mark.parametrize(
    ("key", "object_key", "subject"),
    [
        ("a/b/", "a/b/c/d", "c/d"),
        ("a/b*", "a/b/c", "c"),
        ("a/b*", "a/b1/c", "1/c"),
        ("a/", "a//b", "b"),
        ("a/", "a///b", "/b"),
        ("", "/a", "a"),
        ("", "a/b", "a/b"),
        ("*", "a/b", "a/b"),
        ("a/b", "a/b", ""),
        ("a/b", "a/b/c", "c"),
    ],
)
def test_a_partition_sees_the_key_without_prefix_and_one_slash(key: str, object_key: str, subject: str) -> None:
    assert s3(key).subject(object_key) == subject


WRONG_PARAMS = [
    ({"Mode": "lazy"}, "is not in this version: use copy"),
    ({"Mode": "auto"}, "is not in this version: use copy"),
    ({"Mode": "move"}, "'copy'"),
    ({"ChecksumManifest": "SHA256SUMS"}, "does not name one object: write e.g. s3://"),
    ({"ChecksumManifest": "https://bucket/SHA256SUMS"}, "does not name one object"),
    ({"ChecksumManifest": "s3://bucket"}, "does not name one object"),
    ({"ChecksumManifest": "s3://bucket/sums/"}, "does not name one object"),
    ({"ChecksumManifest": "s3://bucket/*"}, "does not name one object"),
    ({"ChecksumManifest": "s3:///SHA256SUMS"}, "does not name one object"),
    ({"ChecksumManifest": "s3://bucket/" + "k" * 1025}, "over 1024 bytes"),
    ({"ChecksumManifest": "s3://other/sums", "ChecksumSHA256": "0" * 64}, "leave one of them out"),
]


@pytest.mark.parametrize(("params", "why"), WRONG_PARAMS)
def test_s3_params_that_cannot_be_kept_are_refused(params: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        s3("data/", **params)


def test_a_checksum_manifest_may_be_in_another_bucket_and_of_the_longest_key() -> None:
    for url in ("s3://other-bucket/x/SHA256SUMS", "s3://bucket/" + "k" * 1024):
        assert s3("data/", ChecksumManifest=url).checksum_manifest == url
