"""The S3 source behind a network and a service that misbehave: the right outcome, or a named error; never wrong bytes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

import faultproxy
from faultproxy import Fault, FaultProxy, Request
from gadus.config import settings_from
from gadus.core.errors import InputChanged, InputUnreadable, StorageUnavailable
from gadus.core.manifest import Manifest
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.sources import content_of, fetch_into
from hostile_s3 import HostileS3
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")

LARGE = 20 << 20


class Behind:
    """A bucket as it is seen through the proxy."""

    def __init__(self, bucket: Bucket, proxy: FaultProxy, directory: Path) -> None:
        self.bucket = bucket
        self.proxy = proxy
        self.source = Source(settings_from())
        self.directory = directory / "in"
        self.directory.mkdir()

    def params(self, **params: Any) -> S3Params:
        given = {"Bucket": self.bucket.name, "Endpoint": self.proxy.server.endpoint, "Region": "us-east-1", **params}
        return S3Params.model_validate(given)

    async def fetch(self, **params: Any) -> Manifest:
        manifest, _ = await fetch_into(self.directory, self.source, self.params(**params))
        return manifest

    def gets(self, key: str) -> list[str]:
        return [one.range for one in self.proxy.requests if one.method == "GET" and one.key == key]


@pytest.fixture
def behind(bucket: Bucket, proxy: FaultProxy, tmp_path: Path) -> Behind:
    return Behind(bucket, proxy, tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_after=3 << 20),
        Fault(cut_after=3 << 20, reset=False),
        faultproxy.slow_down(),
        faultproxy.internal_error(),
        Fault(cut_after=0),
    ],
    ids=["reset", "ends early", "throttled", "server error", "no body"],
)
async def test_a_broken_transfer_goes_on_where_it_broke(behind: Behind, fault: Fault) -> None:
    body = os.urandom(LARGE)
    behind.bucket.put("k", body)
    behind.proxy.add(fault, key="k", times=2)
    await behind.fetch(Key="k")
    assert content_of(behind.directory) == {"k": body}


async def test_only_what_is_missing_is_asked_for_again(behind: Behind) -> None:
    body = os.urandom(6 << 20)
    behind.bucket.put("k", body)
    behind.proxy.add(Fault(cut_after=(4 << 20) + 17, reset=False), key="k", nth=1)
    await behind.fetch(Key="k")
    assert content_of(behind.directory) == {"k": body}
    first, second = behind.gets("k")
    assert first == ""
    assert second.startswith("bytes=")
    assert int(second.removeprefix("bytes=").partition("-")[0]) >= 2 << 20


async def test_a_length_that_is_not_the_listed_one_is_never_taken(behind: Behind) -> None:
    behind.bucket.put("k", os.urandom(1000))
    behind.proxy.add(Fault(length_off_by=-10), key="k")
    with pytest.raises((InputChanged, StorageUnavailable)):
        await behind.fetch(Key="k")


async def test_an_object_replaced_after_the_listing_is_an_error_that_names_it(behind: Behind) -> None:
    behind.bucket.put("d/one", b"old")

    async def replace(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.put, "d/one", b"new")

    behind.proxy.add(Fault(before=replace), key="d/one", nth=1)
    with pytest.raises(InputChanged, match="d/one was replaced after it was listed"):
        await behind.fetch(Key="d/")


async def test_an_object_replaced_between_two_parts_never_gives_a_mixture(behind: Behind) -> None:
    behind.bucket.put("k", bytes(LARGE))

    async def replace(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.put, "k", b"\1" * LARGE)

    behind.proxy.add(Fault(before=replace), key="k", nth=3)
    with pytest.raises(InputChanged, match="k was replaced"):
        await behind.fetch(Key="k")


async def test_an_object_deleted_after_the_listing_is_an_error_that_names_it(behind: Behind) -> None:
    behind.bucket.put("d/one", b"1")

    async def delete(_: Request) -> None:
        await asyncio.to_thread(behind.bucket.client.delete_object, Bucket=behind.bucket.name, Key="d/one")

    behind.proxy.add(Fault(before=delete), key="d/one", nth=1)
    with pytest.raises(InputChanged, match="d/one was removed after it was listed"):
        await behind.fetch(Key="d/")


async def test_a_service_that_ignores_if_match_is_still_found_out(hostile_s3: HostileS3, tmp_path: Path) -> None:
    hostile_s3.put("k", b"what it is", listed_etag='"what the listing said"')
    params = S3Params.model_validate({"Bucket": "bucket", "Endpoint": hostile_s3.server.endpoint, "Key": "k*"})
    with pytest.raises(InputChanged):
        await fetch_into(tmp_path, Source(settings_from()), params)


async def test_a_wrong_region_is_corrected_once_by_what_the_service_says(behind: Behind) -> None:
    behind.bucket.put("d/k", b"v")

    def wrong(request: Request) -> bool:
        return "/us-east-1/" not in request.headers.get("authorization", "")

    behind.proxy.add(faultproxy.wrong_signing_region("us-east-1"), method="*", when=wrong)
    await behind.fetch(Key="d/", Region="eu-west-1")
    assert content_of(behind.directory) == {"k": b"v"}
    assert sum(map(wrong, behind.proxy.requests)) == 1


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (faultproxy.expired_token(), "session token has expired"),
        (faultproxy.skewed_clock("2020-01-01T00:00:00Z"), "clock is off"),
        (Fault(reply=faultproxy.Reply(403, "InvalidObjectState")), "archived"),
        (Fault(reply=faultproxy.Reply(400, "KMS.DisabledException")), "KMS|cannot be read"),
    ],
)
async def test_a_refusal_is_explained(behind: Behind, fault: Fault, why: str) -> None:
    behind.bucket.put("k", b"v")
    behind.proxy.add(fault, method="*")
    with pytest.raises(InputUnreadable, match=why) as caught:
        await behind.fetch(Key="k")
    assert caught.value.hint


async def test_cancelling_a_transfer_ends_it_at_once(behind: Behind) -> None:
    behind.bucket.put("k", os.urandom(LARGE))
    begun = asyncio.Event()

    async def begin(_: Request) -> None:
        begun.set()

    behind.proxy.add(Fault(before=begin, stall_after=100_000), key="k")
    transfer = asyncio.create_task(behind.fetch(Key="k"))
    await begun.wait()
    transfer.cancel()
    async with asyncio.timeout(2):
        with pytest.raises(asyncio.CancelledError):
            await transfer
