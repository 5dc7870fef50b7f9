"""What bytes come to while they arrive in any order, and what a service says that they should."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gadus.core.manifest import Item
from gadus.s3.digest import Digest, checksum_in, expected_of
from gadus.s3.hashing import Hashing

SIZE_BYTES = 3 << 20
BODY = os.urandom(SIZE_BYTES)
PATIENCE_SECONDS = 20
CRC32 = zlib.crc32(BODY)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield handle
    os.close(handle)


@st.composite
def stretches(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """All stretches of the file: those that were here from the beginning, in order, and those that come, in any order."""
    cuts = draw(st.lists(st.integers(1, SIZE_BYTES - 1), unique=True, max_size=12))
    whole = list(pairwise([0, *sorted(cuts), SIZE_BYTES]))
    here = [one for one in whole if draw(st.booleans())]
    return here, draw(st.permutations([one for one in whole if one not in here]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(stretches())
def test_the_digest_is_the_same_in_whatever_order_the_stretches_come(
    file: int, given: tuple[list[tuple[int, int]], list[tuple[int, int]]]
) -> None:
    here, coming = given
    os.ftruncate(file, 0)
    os.ftruncate(file, SIZE_BYTES)
    for offset, end in here:
        os.pwrite(file, BODY[offset:end], offset)
    digest = hashlib.sha256()
    hashing = Hashing(file, SIZE_BYTES, digest.update, sorted(coming))
    for offset, end in coming:
        os.pwrite(file, BODY[offset:end], offset)
        hashing.wrote(offset, end)
    hashing.finish()
    assert digest.digest() == hashlib.sha256(BODY).digest()


def test_an_empty_object_has_a_digest(file: int) -> None:
    digest = hashlib.sha256()
    Hashing(file, 0, digest.update, []).finish()
    assert digest.digest() == hashlib.sha256(b"").digest()


def test_giving_up_returns_at_once_though_the_rest_never_comes(file: int) -> None:
    os.pwrite(file, BODY, 0)
    seen: list[int] = []
    begun = threading.Event()

    def update(data: bytes) -> None:
        seen.append(len(data))
        begun.set()

    hashing = Hashing(file, 2 * SIZE_BYTES, update, [(0, 2 * SIZE_BYTES)])
    hashing.wrote(0, SIZE_BYTES)
    assert begun.wait(PATIENCE_SECONDS)
    hashing.give_up()
    told = len(seen)
    hashing.wrote(SIZE_BYTES, 2 * SIZE_BYTES)
    assert len(seen) == told


def test_giving_up_does_not_read_what_is_left(file: int) -> None:
    """
    1. All of a large file is there, and the first MiB of it is being hashed.
    2. It is given up: the other MiBs are not read.
    """
    os.pwrite(file, BODY, 0)
    begun, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def update(data: bytes) -> None:
        seen.append(len(data))
        begun.set()
        assert go.wait(PATIENCE_SECONDS)

    hashing = Hashing(file, SIZE_BYTES, update, [(0, SIZE_BYTES)])
    hashing.wrote(0, SIZE_BYTES)
    assert begun.wait(PATIENCE_SECONDS)
    giving_up = threading.Thread(target=hashing.give_up)
    giving_up.start()
    while not hashing._given_up:
        assert giving_up.is_alive()
    go.set()
    giving_up.join(PATIENCE_SECONDS)
    assert seen == [1 << 20]


def test_a_file_that_became_shorter_is_an_error_and_no_endless_wait(file: int) -> None:
    hashing = Hashing(file, SIZE_BYTES, hashlib.sha256().update, [(0, SIZE_BYTES)])
    hashing.wrote(0, SIZE_BYTES)
    with pytest.raises(OSError, match="became shorter"):
        hashing.finish()


def test_the_author_s_sha256_goes_before_the_service_s_checksum() -> None:
    pinned = "ab" * 32
    headers = {"x-amz-checksum-crc32": encoded(CRC32.to_bytes(4, "big"))}
    assert expected_of(Item("k", "k", 1, sha256=pinned, checksum="crc32:00000000"), headers) == f"sha256:{pinned}"
    assert expected_of(Item("k", "k", 1, checksum="crc32:00000000"), headers) == "crc32:00000000"
    assert expected_of(Item("k", "k", 1), headers) == f"crc32:{CRC32:08x}"
    assert expected_of(Item("k", "k", 1)) == ""


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ""),
        ({"x-amz-checksum-crc32c": encoded(b"\0\0\0\1")}, "crc32c:00000001"),
        (
            {"x-amz-checksum-crc64nvme": encoded(b"\0\0\0\0\0\0\0\1"), "x-amz-checksum-type": "FULL_OBJECT"},
            "crc64nvme:" + "0" * 15 + "1",
        ),
        ({"x-amz-checksum-sha256": encoded(b"\1" * 32)}, "sha256:" + "01" * 32),
        (
            {"x-amz-checksum-crc64nvme": encoded(b"\0" * 8), "x-amz-checksum-sha256": encoded(b"\1" * 32)},
            "crc64nvme:" + "0" * 16,
        ),
        # Of the parts' checksums, not of the bytes.
        ({"x-amz-checksum-crc32": encoded(b"\0\0\0\1"), "x-amz-checksum-type": "COMPOSITE"}, ""),
        ({"x-amz-checksum-sha256": encoded(b"\1" * 32) + "-7"}, ""),
        ({"x-amz-checksum-crc32": encoded(b"\0\0\0\1") + "-2"}, ""),
        ({"x-amz-checksum-crc32": "not base64!"}, ""),
        ({"x-amz-checksum-crc32": encoded(b"\0\0")}, ""),
        ({"x-amz-checksum-sha256": encoded(b"\1" * 20)}, ""),
        ({"x-amz-checksum-sha1": encoded(b"\1" * 20)}, ""),
    ],
)
def test_only_a_checksum_of_the_whole_object_is_taken_from_an_answer(headers: dict[str, str], expected: str) -> None:
    assert checksum_in(headers) == expected


@given(st.lists(st.integers(0, 1000), max_size=5))
def test_bytes_in_any_pieces_come_to_what_the_service_says(cuts: list[int]) -> None:
    body = BODY[:1000]
    for expected in (
        f"sha256:{hashlib.sha256(body).hexdigest()}",
        f"crc32:{zlib.crc32(body):08x}",
    ):
        digest = Digest(expected)
        for begin, end in pairwise([0, *sorted(cuts), len(body)]):
            digest.update(memoryview(body)[begin:end])
        assert digest.value == expected


@pytest.mark.parametrize(
    ("algorithm", "of_digits"), [("crc32", "cbf43926"), ("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")]
)
def test_checksums_have_the_published_check_values(algorithm: str, of_digits: str) -> None:
    """Of the text "123456789", as catalogues of CRCs give them."""
    digest = Digest(f"{algorithm}:")
    digest.update(b"123456789")
    assert digest.value == f"{algorithm}:{of_digits}"
