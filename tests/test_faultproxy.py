"""The fault proxy does what tests of faults rely on."""

from __future__ import annotations

import asyncio
import time
from asyncio import to_thread
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import botocore.exceptions
import pytest
from yarl import URL

import faultproxy
from faultproxy import Fault, FaultProxy, Request
from s3_server import Bucket

BODY = bytes(range(256)) * 4096
Get = Callable[..., Awaitable[bytes]]


@pytest.fixture
def get(bucket: Bucket, proxy: FaultProxy) -> Get:
    """Reads an object of the bucket through the proxy, with an ordinary client."""
    client = proxy.server.client()

    def read(key: str, **more: str) -> bytes:
        return client.get_object(Bucket=bucket.name, Key=key, **more)["Body"].read()

    async def get(key: str, **more: str) -> bytes:
        return await to_thread(read, key, **more)

    return get


@pytest.fixture
async def curl(bucket: Bucket, proxy: FaultProxy) -> Any:
    """A client that never repeats a request by itself: GET of a key through the proxy."""
    signed = proxy.server.client()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:

        async def fetch(key: str) -> tuple[int, bytes]:
            url = signed.generate_presigned_url("get_object", {"Bucket": bucket.name, "Key": key})
            async with session.get(URL(url, encoded=True)) as answer:
                return answer.status, await answer.read()

        yield fetch


async def test_signed_requests_pass_unchanged_whatever_the_key(bucket: Bucket, proxy: FaultProxy, get: Get) -> None:
    client = proxy.server.client()
    for key in ("plain", "a b/ü+%25?#&=.txt", "deep/" * 20 + "x"):
        await to_thread(client.put_object, Bucket=bucket.name, Key=key, Body=BODY)
        assert await get(key) == BODY
        assert await get(key, Range="bytes=5-9") == BODY[5:10]
        head = await to_thread(client.head_object, Bucket=bucket.name, Key=key)
        assert head["ContentLength"] == len(BODY)
        assert [(r.method, r.range) for r in proxy.requests if r.key == key] == [
            ("PUT", ""),
            ("GET", ""),
            ("GET", "bytes=5-9"),
            ("HEAD", ""),
        ]
    assert (await to_thread(client.list_objects_v2, Bucket=bucket.name, Prefix="pl"))["KeyCount"] == 1
    assert proxy.requests[-1].query["prefix"] == "pl"
    await to_thread(client.delete_object, Bucket=bucket.name, Key="plain")
    assert "plain" not in bucket.listing()


async def test_only_the_matching_request_is_hit(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    for key in ("a.bin", "b.txt"):
        bucket.put(key, BODY)
    proxy.add(faultproxy.internal_error(), key="*.bin", nth=2)
    proxy.add(faultproxy.slow_down(retry_after="1"), key="*.txt", times=1)
    assert [(await curl("a.bin"))[0] for _ in range(3)] == [200, 500, 200]
    assert [(await curl("b.txt"))[0] for _ in range(3)] == [503, 200, 200]


async def test_cut_resets_the_connection_or_ends_it_quietly(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    bucket.put("k", BODY)
    proxy.add(Fault(cut_after=1000), nth=1)
    proxy.add(Fault(cut_after=1000, reset=False), nth=1)
    url = proxy.server.client().generate_presigned_url("get_object", {"Bucket": bucket.name, "Key": "k"})
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    with closing(writer), pytest.raises(ConnectionResetError):
        writer.write(
            f"GET {urlsplit(url).path}?{urlsplit(url).query} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()
        )
        await reader.read()
    with pytest.raises(aiohttp.ClientPayloadError):
        await curl("k")
    assert await curl("k") == (200, BODY)


async def test_wrong_length_is_announced(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    bucket.put("k", BODY)
    proxy.add(Fault(length_off_by=7), nth=1)
    proxy.add(Fault(length_off_by=-7), nth=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await curl("k")
    assert await curl("k") == (200, BODY[:-7])


async def test_one_bit_is_flipped_where_asked(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    bucket.put("k", BODY)
    proxy.add(Fault(flip_at=100_000))
    _, received = await curl("k")
    assert [at for at, (one, other) in enumerate(zip(received, BODY, strict=True)) if one != other] == [100_000]


async def test_stall_and_black_hole_last_until_the_client_hangs_up(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    bucket.put("k", BODY)
    for fault in (Fault(stall_after=1000), faultproxy.black_hole()):
        proxy.add(fault, nth=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await curl("k")
    assert await curl("k") == (200, BODY)


async def test_latency_and_rate_are_kept(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    bucket.put("k", BODY)
    proxy.add(Fault(delay_seconds=0.2, bytes_per_second=4 * len(BODY)))
    start = time.monotonic()
    assert await curl("k") == (200, BODY)
    assert time.monotonic() - start > 0.4


async def test_hook_replaces_the_object_before_it_is_read(bucket: Bucket, proxy: FaultProxy, get: Get) -> None:
    etag = bucket.put("k", b"old")

    async def replace(_: Request) -> None:
        await to_thread(bucket.put, "k", b"new")

    proxy.add(Fault(before=replace), nth=1)
    with pytest.raises(botocore.exceptions.ClientError, match=r"412|PreconditionFailed"):
        await get("k", IfMatch=etag)
    assert await get("k") == b"new"


async def test_refusals_look_like_those_of_the_service(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    faults = {
        403: (faultproxy.expired_token(), b"ExpiredToken"),
        400: (faultproxy.wrong_signing_region("eu-west-1"), b"<Region>eu-west-1</Region>"),
        301: (faultproxy.redirect("eu-west-1"), b"PermanentRedirect"),
    }
    for status, (fault, text) in faults.items():
        proxy.add(fault, nth=1)
        answered, body = await curl("k")
        assert answered == status
        assert text in body
    proxy.add(faultproxy.skewed_clock("2020-01-01T00:00:00Z"), nth=1)
    assert b"<ServerTime>2020-01-01T00:00:00Z</ServerTime>" in (await curl("k"))[1]


async def test_head_of_a_made_up_reply_has_no_body(bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.add(faultproxy.redirect("eu-west-1"), method="HEAD", times=1)
    url = f"{proxy.server.endpoint}/{bucket.name}"
    async with aiohttp.ClientSession() as session:
        for status in (301, 403):
            async with session.head(url, allow_redirects=False) as answer:
                assert answer.status == status


async def test_listing_repeats_its_token(bucket: Bucket, proxy: FaultProxy) -> None:
    bucket.put("k")
    proxy.add(faultproxy.repeated_token("T"), key="", when=lambda request: "list-type" in request.query)
    client = proxy.server.client()
    for token in ({}, {"ContinuationToken": "T"}):
        page = await to_thread(client.list_objects_v2, Bucket=bucket.name, **token)
        assert (page["IsTruncated"], page["NextContinuationToken"]) == (True, "T")


async def test_gets_at_once_are_counted(bucket: Bucket, proxy: FaultProxy, curl: Any) -> None:
    bucket.put("k", BODY)
    proxy.add(Fault(delay_seconds=0.2))
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(curl("k"))
    assert proxy.most_gets_at_once == 3
    await curl("k")
    assert proxy.most_gets_at_once == 3
    assert len(proxy.seen("GET", "k")) == 4
