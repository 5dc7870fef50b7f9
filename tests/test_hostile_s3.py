"""The hostile server says what it is told, and is otherwise like S3."""

from __future__ import annotations

from asyncio import to_thread
from typing import Any

import aiohttp
import botocore.exceptions
import pytest
from yarl import URL

from hostile_s3 import HostileS3

ODD_KEYS = [b"../up", b"a//b", b"a/./b", b"/lead", b"dir/", b"nul\0x", b"\x01\x1f", b"a+b %25&<>\"'", b"\xff\xfe", b"k" * 1024]


@pytest.fixture
async def listing(hostile_s3: HostileS3) -> Any:
    """The raw bytes of one page of a listing."""
    async with aiohttp.ClientSession() as session:

        async def page(query: str) -> bytes:
            url = URL(f"{hostile_s3.server.endpoint}/bucket?list-type=2&{query}", encoded=True)
            async with session.get(url) as answer:
                return await answer.read()

        yield page


async def test_keys_are_listed_byte_for_byte_in_url_encoding(hostile_s3: HostileS3, listing: Any) -> None:
    for key in ODD_KEYS:
        hostile_s3.put(key, b"x")
    page = await listing("encoding-type=url")
    for spelled in (b"../up", b"a//b", b"nul%00x", b"%01%1F", b"a%2Bb%20%2525%26%3C%3E%22%27", b"%FF%FE", b"k" * 1024):
        assert b"<Key>" + spelled + b"</Key>" in page


async def test_keys_are_listed_raw_without_encoding(hostile_s3: HostileS3, listing: Any) -> None:
    for key in ODD_KEYS:
        hostile_s3.put(key)
    hostile_s3.honours_encoding = False
    for query in ("", "encoding-type=url"):
        page = await listing(query)
        assert b"EncodingType" not in page
        for spelled in (b"<Key>a+b %25&amp;&lt;&gt;\"'</Key>", b"<Key>&#1;&#31;</Key>", b"<Key>\xff\xfe</Key>"):
            assert spelled in page


async def test_sizes_and_etags_are_listed_as_told(hostile_s3: HostileS3, listing: Any) -> None:
    hostile_s3.put("k", b"x", listed_size="-5", listed_etag="")
    page = await listing("")
    assert b"<Size>-5</Size>" in page
    assert b"ETag" not in page


async def test_ordinary_client_pages_through_everything_once(hostile_s3: HostileS3) -> None:
    keys = sorted(f"p/{number} %+".encode() for number in range(25))
    for key in [*keys, b"other"]:
        hostile_s3.put(key, key)
    hostile_s3.page_keys = 10
    pages = hostile_s3.server.client().get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="p/")
    listed = await to_thread(lambda: [entry["Key"].encode() for page in pages for entry in page["Contents"]])
    assert listed == keys
    assert hostile_s3.requests["LIST"] == 3


async def test_ordinary_client_reads_ranges_and_is_held_to_the_etag(hostile_s3: HostileS3) -> None:
    hostile_s3.put("a b", b"0123456789")
    client = hostile_s3.server.client()

    def get(**more: str) -> bytes:
        return client.get_object(Bucket="bucket", Key="a b", **more)["Body"].read()

    etag = (await to_thread(client.head_object, Bucket="bucket", Key="a b"))["ETag"]
    assert await to_thread(get, IfMatch=etag) == b"0123456789"
    for wanted, body in (("bytes=2-4", b"234"), ("bytes=8-", b"89"), ("bytes=-3", b"789"), ("bytes=8-99", b"89")):
        assert await to_thread(get, Range=wanted) == body
    hostile_s3.put("a b", b"changed")
    for code, more in (("412|Precondition", {"IfMatch": etag}), ("416|InvalidRange", {"Range": "bytes=7-9"})):
        with pytest.raises(botocore.exceptions.ClientError, match=code):
            await to_thread(get, **more)
    assert hostile_s3.requests == {"HEAD": 1, "GET": 7}
    assert set(hostile_s3.keys_asked) == {b"a b"}


async def test_listing_never_ends_or_repeats_its_token(hostile_s3: HostileS3) -> None:
    hostile_s3.put("k")
    client = hostile_s3.server.client()

    def page(**more: str) -> dict[str, Any]:
        return client.list_objects_v2(Bucket="bucket", **more)

    hostile_s3.endless = True
    first = await to_thread(page)
    second = await to_thread(page, ContinuationToken=first["NextContinuationToken"])
    assert second["Contents"][0]["Key"] == "endless-000000001000"
    assert second["IsTruncated"]
    hostile_s3.endless, hostile_s3.repeated_token = False, "T"
    for more in ({}, {"ContinuationToken": "T"}):
        again = await to_thread(page, **more)
        assert (again["NextContinuationToken"], [entry["Key"] for entry in again["Contents"]]) == ("T", ["k"])
