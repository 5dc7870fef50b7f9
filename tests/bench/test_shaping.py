"""The shaping proxy is as slow as its shape says, breaks what its shape says, and counts everything."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from bench.shaping.control import shaped
from bench.shaping.heads import read_request
from bench.shaping.listener import listening
from bench.shaping.proxy import Proxied
from bench.shaping.shape import SHAPES, Latency, Shape, Weather
from bench.shaping.traffic import Kind, Traffic
from botocore.exceptions import BotoCoreError, ClientError

from s3_server import Bucket

S3LIKE = SHAPES["s3like"]


class Asking:
    """Asks a server through a proxy of this process, from a thread, and knows what the proxy counted."""

    def __init__(self, bucket: Bucket, client: Any, proxied: Proxied) -> None:
        self._bucket = bucket.name
        self._client = client
        self._proxied = proxied

    @property
    def traffic(self) -> Traffic:
        return self._proxied.traffic

    async def get(self, key: str, **options: Any) -> bytes:
        return await asyncio.to_thread(self._get, key, **options)

    async def head(self, key: str) -> Any:
        return await asyncio.to_thread(self._client.head_object, Bucket=self._bucket, Key=key)

    async def list(self) -> Any:
        return await asyncio.to_thread(self._client.list_objects_v2, Bucket=self._bucket)

    def _get(self, key: str, **options: Any) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key, **options)["Body"].read()


async def seconds(work: Awaitable[Any]) -> float:
    start = asyncio.get_running_loop().time()
    await work
    return asyncio.get_running_loop().time() - start


@asynccontextmanager
async def through(shape: Shape, bucket: Bucket) -> AsyncIterator[Asking]:
    proxied = Proxied(partial(Weather, shape))
    upstream = urlsplit(bucket.server.endpoint)
    async with listening(proxied, str(upstream.hostname), upstream.port or 0) as port:
        server = replace(bucket.server, endpoint=f"http://127.0.0.1:{port}")
        with closing(server.client()) as client:
            yield Asking(bucket, client, proxied)


async def test_requests_are_counted_by_kind_and_bodies_by_byte(bucket: Bucket) -> None:
    bucket.put("a/object", bytes(300_000))
    async with through(Shape(), bucket) as asking:
        assert len(await asking.get("a/object")) == 300_000
        assert len(await asking.get("a/object", Range="bytes=100-199")) == 100
        await asking.head("a/object")
        assert (await asking.list())["KeyCount"] == 1
        seen = asking.traffic
    assert (seen.whole, seen.range, seen.head, seen.list, seen.other) == (1, 1, 1, 1, 0)
    assert (seen.body_bytes, seen.longest_range_bytes, seen.in_flight) == (300_100, 100, 0)
    assert seen.list_bytes > 0


async def test_first_byte_and_page_wait_for_their_latency(bucket: Bucket) -> None:
    bucket.put("object", b"x")
    always = Shape(first_byte=Latency(0.08, 0.08), list_page=Latency(0.2, 0.2))
    async with through(always, bucket) as asking:
        assert await seconds(asking.get("object")) >= 0.08
        assert await seconds(asking.list()) >= 0.2


async def test_connection_keeps_its_pace(bucket: Bucket) -> None:
    body = bytes(range(256)) * 8192
    bucket.put("object", body)
    async with through(Shape(bytes_per_second=len(body) * 4), bucket) as asking:
        # The last chunk need not be waited for.
        assert await seconds(asking.get("object")) > 0.15


async def test_more_requests_than_the_rate_are_told_to_slow_down(bucket: Bucket) -> None:
    bucket.put("object", b"x")
    async with through(Shape(requests_per_second=1), bucket) as asking:
        await asking.get("object")
        with pytest.raises(ClientError) as refused:
            await asyncio.gather(*(asking.get("object") for _ in range(4)))
        assert refused.value.response["Error"]["Code"] == "SlowDown"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert asking.traffic.refused >= 1


async def test_body_breaks_off_by_a_reset(bucket: Bucket) -> None:
    bucket.put("object", bytes(1_000_000))
    async with through(Shape(resets=1.0), bucket) as asking:
        with pytest.raises(BotoCoreError):
            await asking.get("object")
        assert asking.traffic.reset >= 1
        assert asking.traffic.body_bytes < 1_000_000 * asking.traffic.whole
        assert asking.traffic.in_flight == 0


def test_process_counts_from_its_start_and_ends_with_its_block(bucket: Bucket) -> None:
    bucket.put("object", bytes(1000))
    with ExitStack() as stack:
        with shaped(bucket.server, "raw") as proxy:
            client = stack.enter_context(closing(proxy.server.client()))
            client.get_object(Bucket=bucket.name, Key="object")["Body"].read()
            assert proxy.traffic().body_bytes == 1000
            proxy.start(7)
            assert proxy.traffic() == Traffic()
        with pytest.raises(BotoCoreError):
            client.list_buckets()


def test_latencies_have_the_percentiles_of_their_shape_and_repeat_with_the_seed() -> None:
    def draws(seed: int) -> list[float]:
        weather = Weather(S3LIKE, seed)
        return sorted(weather.wait_seconds(Kind.RANGE) for _ in range(20_000))

    drawn = draws(1)
    assert statistics.median(drawn) == pytest.approx(0.028, rel=0.05)
    assert drawn[int(0.99 * len(drawn))] == pytest.approx(0.150, rel=0.10)
    assert drawn == draws(1) != draws(2)


def test_one_body_in_a_thousand_breaks_off_within_itself() -> None:
    weather = Weather(S3LIKE, 1)
    cuts = [at for _ in range(100_000) if (at := weather.cut_at(500)) is not None]
    assert 60 < len(cuts) < 140
    assert 0 <= min(cuts) <= max(cuts) < 500


def test_prefix_has_a_second_of_requests_at_once_and_then_its_rate() -> None:
    weather = Weather(S3LIKE, 1)
    admitted = [sum(weather.admits(b"bucket/a", Kind.WHOLE, now=now) for _ in range(10_000)) for now in (0.0, 0.5, 10.0)]
    assert admitted == [5_500, 2_750, 5_500]
    assert weather.admits(b"bucket/b", Kind.WHOLE, now=10.0)
    assert weather.admits(b"bucket/a", Kind.LIST, now=10.0)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("GET /bucket/a/b", Kind.WHOLE),
        ("HEAD /bucket/a/b", Kind.HEAD),
        ("GET /bucket?list-type=2&prefix=a%2F", Kind.LIST),
        ("GET /bucket/?prefix=a", Kind.LIST),
        ("GET /bucket?location=", Kind.OTHER),
        ("HEAD /bucket", Kind.OTHER),
    ],
)
def test_request_is_known_by_its_line(line: str, kind: Kind) -> None:
    asked = read_request(f"{line} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    assert asked is not None
    assert asked.kind is kind


def test_upload_is_not_served() -> None:
    assert read_request(b"PUT /bucket/key HTTP/1.1\r\nContent-Length: 5\r\n\r\n") is None
