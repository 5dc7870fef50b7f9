"""Checksums: the published values, the same whole or in parts, and headers read as they are written."""

from __future__ import annotations

import base64
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.core.checksums import ALGORITHMS, CRC32, CRC32C, CRC64NVME, as_text, combine, from_base64, update

# The check values of the catalogues of CRC algorithms, over these nine bytes.
NINE = b"123456789"
PUBLISHED = {CRC64NVME: "crc64nvme:ae8b14860a799888", CRC32C: "crc32c:e3069283", CRC32: "crc32:cbf43926"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_published_values_come_out(algorithm: str) -> None:
    assert as_text(algorithm, update(algorithm, NINE)) == PUBLISHED[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(parts=st.lists(st.binary(max_size=200), max_size=8))
def test_parts_make_the_whole_one_after_the_other_and_combined(algorithm: str, parts: list[bytes]) -> None:
    whole = update(algorithm, b"".join(parts))
    running = combined = 0
    for part in parts:
        running = update(algorithm, memoryview(bytearray(part)), running)
        combined = combine(algorithm, combined, update(algorithm, part), len(part))
    assert (running, combined) == (whole, whole)


@given(st.binary())
def test_crc32_is_that_of_zlib(data: bytes) -> None:
    assert update(CRC32, data) == zlib.crc32(data)


def test_small_values_keep_their_leading_zeros() -> None:
    assert as_text(CRC64NVME, 1) == "crc64nvme:0000000000000001"
    assert as_text(CRC32C, 0) == "crc32c:00000000"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_headers_are_read_as_services_write_them(algorithm: str) -> None:
    value = bytes.fromhex(PUBLISHED[algorithm].partition(":")[2])
    assert from_base64(algorithm, base64.b64encode(value).decode()) == PUBLISHED[algorithm]


@pytest.mark.parametrize("wrong", ["", "AAAA", "AAAAAA==-3", "not base64!", "AAAAAAAAAAA=AAAA", "AAAAAAAAAAAA"])
def test_what_is_no_checksum_of_a_whole_object_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        from_base64(CRC64NVME, wrong)


def test_the_library_is_loaded_only_when_something_is_computed() -> None:
    program = "import sys, gadus.core.checksums; print('awscrt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"
