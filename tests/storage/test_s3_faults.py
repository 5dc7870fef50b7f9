"""The S3 source before a service that throttles, fails, refuses or moves: the right outcome, or a named error."""

from __future__ import annotations

import base64
import os
from dataclasses import replace

import pytest
from s3_input import Behind

import faultproxy
from faultproxy import Fault, Reply, Request
from gadus.core import checksums
from gadus.core.errors import InputUnreadable, StorageUnavailable

LARGE = 20 << 20
SMALL = 300_000


def put_many(behind: Behind, number: int = 40) -> dict[str, bytes]:
    files = {f"{index:02}": b"object %d" % index for index in range(number)}
    for name, body in files.items():
        behind.bucket.put(f"d/{name}", body)
    return files


def questions(behind: Behind) -> int:
    """How often the service was only asked whether it would answer."""
    return len([one for one in behind.proxy.seen("GET", "d/*") if one.range == "bytes=0-0"])


async def test_small_objects_take_exactly_one_get_each(behind: Behind) -> None:
    files = put_many(behind)
    assert await behind.files(Key="d/") == files
    assert [behind.gets(f"d/{name}") for name in files] == [[""]] * len(files)
    assert len(behind.proxy.seen("GET", "")) == 1
    assert len(behind.proxy.requests) == len(files) + 1


async def test_a_storm_of_throttling_that_ends_is_sat_out(behind: Behind) -> None:
    files = put_many(behind)
    behind.proxy.add(faultproxy.slow_down(), key="d/*", times=200)
    assert await behind.files(Key="d/") == files
    assert len(behind.proxy.seen("GET", "d/*")) == 200 + len(files)


async def test_throttling_without_end_is_given_up(behind: Behind) -> None:
    behind.patience = replace(behind.patience, throttled_seconds=0.3)
    put_many(behind)
    behind.proxy.add(faultproxy.slow_down(), key="d/*")
    with pytest.raises(StorageUnavailable, match="503"):
        await behind.files(Key="d/")
    assert behind.nothing_is_left


async def test_a_listing_that_is_throttled_for_ever_says_so(behind: Behind) -> None:
    behind.patience = replace(behind.patience, throttled_seconds=0.3)
    behind.proxy.add(faultproxy.slow_down(), key="")
    with pytest.raises(StorageUnavailable, match="throttles"):
        await behind.files(Key="d/")


@pytest.mark.parametrize("key", ["", "d/00"], ids=["listing", "object"])
async def test_nobody_asks_again_before_the_service_wishes(behind: Behind, key: str) -> None:
    """Our own pauses are of some milliseconds: without the wish there would be hundreds of requests in that time."""
    behind.patience = replace(behind.patience, throttled_seconds=0.5)
    put_many(behind, 1)
    behind.proxy.add(faultproxy.slow_down(retry_after="1"), key=key)
    with pytest.raises(StorageUnavailable):
        await behind.files(Key="d/")
    assert len(behind.proxy.seen("GET", key)) == 2


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_server_errors_are_tried_again_a_few_times(behind: Behind, status: int) -> None:
    files = put_many(behind, 1)
    behind.proxy.add(Fault(reply=Reply(status, "InternalError")), key="d/00", times=3)
    assert await behind.files(Key="d/") == files
    assert len(behind.gets("d/00")) == 4
    behind.proxy.add(Fault(reply=Reply(status, "InternalError")), key="d/00")
    with pytest.raises(StorageUnavailable, match=str(status)):
        await behind.files(Key="d/")
    assert len(behind.gets("d/00")) == 4 + behind.patience.tries
    assert behind.nothing_is_left


async def test_a_wrong_region_is_corrected_once_by_what_the_service_says(behind: Behind) -> None:
    behind.bucket.put("d/k", b"v")

    def wrong(request: Request) -> bool:
        return "/us-east-1/" not in request.headers.get("authorization", "")

    behind.proxy.add(faultproxy.wrong_signing_region("us-east-1"), method="*", when=wrong)
    assert await behind.files(Key="d/", Region="eu-west-1") == {"k": b"v"}
    assert sum(map(wrong, behind.proxy.requests)) == 1


async def test_a_bucket_that_moves_during_the_transfer_is_followed(behind: Behind) -> None:
    """1. Many objects are asked for at once in the old region. 2. Each is redirected. 3. One question finds the new region."""
    files = put_many(behind)
    items = await behind.items(Key="d/")

    def old(request: Request) -> bool:
        return "/us-east-1/" in request.headers.get("authorization", "")

    behind.proxy.add(faultproxy.redirect("eu-west-1"), method="*", when=old)
    await behind.fetch_found(items, Key="d/")
    assert behind.arrived == files
    for name in files:
        assert len([one for one in behind.proxy.seen("GET", f"d/{name}") if not old(one) and one.range == ""]) == 1
    assert questions(behind) <= 4


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (faultproxy.expired_token(), "session token has expired"),
        (faultproxy.skewed_clock("2020-01-01T00:00:00Z"), "clock is off"),
        (Fault(reply=Reply(403, "InvalidObjectState")), "archived"),
        (Fault(reply=Reply(400, "KMS.DisabledException")), "KMS|cannot be read"),
    ],
)
async def test_a_refusal_is_explained(behind: Behind, fault: Fault, why: str) -> None:
    put_many(behind)
    behind.proxy.add(fault, method="*", key="d/*")
    # Met after the listing, by many requests at once, and by the very first.
    for key in ("d/", "d/00"):
        with pytest.raises(InputUnreadable, match=why) as caught:
            await behind.files(Key=key)
        assert caught.value.hint
        assert behind.nothing_is_left


async def test_a_refusal_of_the_moment_is_asked_about_once_for_all(behind: Behind) -> None:
    files = put_many(behind)
    behind.proxy.add(Fault(reply=Reply(403, "AccessDenied")), key="d/*", times=12)
    assert await behind.files(Key="d/") == files
    assert questions(behind) <= 4


async def test_an_object_that_is_refused_again_and_again_is_given_up(behind: Behind) -> None:
    """The service gives the first byte, and never the whole."""
    put_many(behind, 1)
    behind.proxy.add(Fault(reply=Reply(403, "AccessDenied")), key="d/*", when=lambda request: request.range == "")
    with pytest.raises(InputUnreadable, match="access denied"):
        await behind.files(Key="d/")
    assert behind.nothing_is_left


async def test_a_small_object_is_continued_where_the_service_ignores_ranges(behind: Behind) -> None:
    body = os.urandom(5 << 20)
    behind.bucket.put("k", body)
    behind.proxy.add(Fault(cut_after=3 << 20, reset=False), key="k", nth=1)
    behind.proxy.add(faultproxy.ignores_range(), key="k")
    assert await behind.files(Key="k") == {"k": body}
    assert len(behind.gets("k")) == 2


async def test_a_large_object_needs_a_service_that_obeys_ranges(behind: Behind) -> None:
    behind.bucket.put("k", os.urandom(LARGE))
    behind.proxy.add(faultproxy.ignores_range(), key="k")
    with pytest.raises(InputUnreadable, match="ignores ranges"):
        await behind.files(Key="k")
    assert behind.nothing_is_left


async def test_other_bytes_than_those_asked_for_are_never_taken(behind: Behind) -> None:
    body = os.urandom(LARGE)
    behind.bucket.put("k", body)
    elsewhere = Fault(adds={"Content-Range": f"bytes 1-{LARGE - 1}/{LARGE}"})
    behind.proxy.add(elsewhere, key="k", times=3)
    assert await behind.files(Key="k") == {"k": body}
    behind.proxy.add(elsewhere, key="k")
    with pytest.raises(StorageUnavailable, match="sent other bytes"):
        await behind.files(Key="k")
    assert behind.nothing_is_left


def crc64nvme_of(body: bytes) -> dict[str, str]:
    value = checksums.update(checksums.CRC64NVME, body).to_bytes(8, "big")
    return {"x-amz-checksum-crc64nvme": base64.b64encode(value).decode(), "x-amz-checksum-type": "FULL_OBJECT"}


@pytest.mark.parametrize("size_bytes", [SMALL, LARGE], ids=["small", "large"])
async def test_the_services_own_checksum_is_checked_and_told(behind: Behind, size_bytes: int) -> None:
    body = os.urandom(size_bytes)
    behind.bucket.put("k", body)
    behind.proxy.add(Fault(adds=crc64nvme_of(body)), method="*", key="k")
    (slot,) = await behind.fetch(Key="k")
    assert slot.digest == checksums.as_text(checksums.CRC64NVME, checksums.update(checksums.CRC64NVME, body))
    assert slot.compared
    assert behind.arrived == {"k": body}


async def test_the_checksum_of_a_listed_object_comes_with_its_one_answer(behind: Behind) -> None:
    behind.bucket.put("d/k", b"v")
    behind.proxy.add(Fault(adds=crc64nvme_of(b"v")), key="d/k")
    (slot,) = await behind.fetch(Key="d/")
    assert (slot.digest.partition(":")[0], slot.compared) == ("crc64nvme", True)
    assert behind.gets("d/k") == [""]


@pytest.mark.parametrize("key", ["d/", "d/small", "d/large"])
async def test_bytes_that_do_not_fit_the_services_checksum_are_not_kept(behind: Behind, key: str) -> None:
    behind.bucket.put("d/small" if key == "d/" else key, os.urandom(LARGE if key == "d/large" else SMALL))
    behind.proxy.add(Fault(adds=crc64nvme_of(b"something else")), method="*", key="d/*")
    with pytest.raises(StorageUnavailable, match="arrived damaged: its crc64nvme should be"):
        await behind.files(Key=key)
    assert behind.nothing_is_left


async def test_a_checksum_of_the_parts_checksums_is_not_taken_for_one_of_the_bytes(behind: Behind) -> None:
    behind.bucket.put("k", b"v")
    behind.proxy.add(Fault(adds={**crc64nvme_of(b"other"), "x-amz-checksum-type": "COMPOSITE"}), method="*", key="k")
    (slot,) = await behind.fetch(Key="k")
    assert not slot.compared


async def test_a_listing_that_repeats_its_token_is_noticed(behind: Behind) -> None:
    put_many(behind, 3)
    behind.proxy.add(faultproxy.repeated_token(), key="")
    with pytest.raises(StorageUnavailable, match="repeats itself"):
        await behind.files(Key="d/")
    assert len(behind.proxy.seen("GET", "")) <= 3
    assert behind.nothing_is_left
