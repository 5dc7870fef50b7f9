"""How keys of S3 become files, however strange the keys are; and which cannot."""

from __future__ import annotations

import pytest
from s3_input import Input

from gadus.core.errors import InputUnsafe
from gadus.testing.sources import directories_of, items_of
from hostile_s3 import HostileS3
from s3_server import Bucket

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
    assert [hostile_s3.requests[kind] for kind in ("LIST", "GET", "HEAD")] == [1, len(keys), 0]


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
    ([b"a", b"a/b"], "needs a directory"),
    ([b"a/b/c", b"a"], "needs a directory"),
]


@pytest.mark.parametrize(("keys", "why"), UNSAFE)
async def test_keys_that_cannot_be_files_are_refused_before_any_byte_is_fetched(
    hostile_s3: HostileS3, hostile: Input, keys: list[bytes], why: str
) -> None:
    for key in keys:
        hostile_s3.put(key, b"body")
    with pytest.raises(InputUnsafe, match=why) as caught:
        await hostile.tree()
    assert "Filter" in caught.value.hint
    assert hostile_s3.requests["GET"] == 0


async def test_all_unsafe_keys_are_named_at_once(hostile_s3: HostileS3, hostile: Input) -> None:
    for key in ("../one", "two/../../x", "y" * 300):
        hostile_s3.put(key, b"")
    with pytest.raises(InputUnsafe) as caught:
        await hostile.tree()
    assert all(key in caught.value.message for key in ("'../one'", "'two/../../x'", "y" * 300))


async def test_a_bucket_holding_a_and_a_slash_b_is_refused_by_name(bucket: Bucket, given: Input) -> None:
    bucket.put("a", b"1")
    bucket.put("a/b", b"2")
    with pytest.raises(InputUnsafe, match="'a/b': needs a directory where 'a' is a file"):
        await given.tree()
    assert await given.tree(Key="a/") == {"b": b"2"}


async def test_a_marker_makes_an_empty_directory(bucket: Bucket, given: Input) -> None:
    for key in ("d/", "d/empty/", "d/full/", "d/full/x"):
        bucket.put(key)
    found = await given.resolve(Key="d/")
    assert directories_of(found) == ["empty", "full"]
    assert [item.path for item in items_of(found)] == ["full/x"]


async def test_a_marker_with_data_is_never_dropped_silently(hostile_s3: HostileS3, hostile: Input) -> None:
    hostile_s3.put("d/", b"data")
    with pytest.raises(InputUnsafe, match="'d/'"):
        await hostile.resolve()
