"""Amounts add up, and limits on them are what people wrote."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadus.core.capacity import Amounts, Limit, Limits, share_or_amount, whole_number
from gadus.core.errors import InvalidSpec
from gadus.core.units import parse_bytes, parse_cores

GIB = 2**30
MACHINE = Amounts(8, 16 * GIB, 100 * GIB, 4)

amounts = st.builds(
    Amounts,
    cpu_cores=st.integers(0, 10_000).map(lambda thousandths: thousandths / 1000),
    memory_bytes=st.integers(0, 2**40),
    disk_bytes=st.integers(0, 2**40),
    gpus=st.integers(0, 8),
)


def test_a_tenth_fits_where_nine_tenths_were_taken() -> None:
    free = Amounts(cpu_cores=1) - Amounts(cpu_cores=0.9)
    assert free.cpu_cores < 0.1, "else this test says nothing"
    assert Amounts(cpu_cores=0.1).fits_in(free)
    assert not Amounts(cpu_cores=0.101).fits_in(free)


@pytest.mark.parametrize("field", ["cpu_cores", "memory_bytes", "disk_bytes", "gpus"])
def test_each_amount_must_fit(field: str) -> None:
    one = Amounts(1, 1, 1, 1)
    two_of = Amounts(**{"cpu_cores": 1, "memory_bytes": 1, "disk_bytes": 1, "gpus": 1} | {field: 2})
    assert one.fits_in(one)
    assert not two_of.fits_in(one)
    assert len(two_of.lacking(one)) == 1


@settings(deadline=None)
@given(amounts, amounts)
def test_what_fits_lacks_nothing_and_what_does_not_says_why(asked: Amounts, free: Amounts) -> None:
    assert asked.fits_in(free) == (asked.lacking(free) == ()) == (asked.waits_for(free) == "")


@settings(deadline=None)
@given(amounts, amounts)
def test_what_is_given_back_is_all_there_again(there: Amounts, asked: Amounts) -> None:
    assert there.fits_in(there - asked + asked)


@settings(deadline=None)
@given(amounts)
def test_nothing_fits_everywhere_also_where_too_much_was_given_away(overdrawn: Amounts) -> None:
    assert Amounts().fits_in(Amounts() - overdrawn)


def test_reasons_are_in_bacalhaus_words() -> None:
    assert Amounts(16, 32 * GIB, 200 * GIB, 5).lacking(MACHINE) == (
        "job requires more CPU (16) than the maximum available (8)",
        "job requires more Memory (32.0 GiB) than the maximum available (16.0 GiB)",
        "job requires more Disk (200.0 GiB) than the maximum available (100.0 GiB)",
        "job requires more GPU (5) than the maximum available (4)",
    )


def test_a_busy_machine_says_what_is_wanted_and_what_is_free() -> None:
    assert Amounts(2, GIB).waits_for(Amounts(0.5, GIB)) == "needs CPU 2, free 0.5"


def test_sizes_that_differ_look_different() -> None:
    (reason,) = Amounts(memory_bytes=16 * GIB + 1).lacking(MACHINE)
    assert reason == "job requires more Memory (17179869185 B) than the maximum available (17179869184 B)"


@pytest.mark.parametrize(
    ("text", "limit"),
    [("80%", Limit(share=0.8)), (" 12.5 % ", Limit(share=0.125)), ("100%", Limit()), ("0%", Limit(share=0))],
)
def test_a_limit_may_be_a_share(text: str, limit: Limit) -> None:
    assert share_or_amount(text, read=parse_bytes, setting="X") == limit


def test_limits_apply_to_each_amount_and_never_exceed_the_machine() -> None:
    limits = Limits(
        cpu=share_or_amount("1500m", read=parse_cores, setting="X"),
        memory=share_or_amount("2GiB", read=parse_bytes, setting="X"),
        disk=share_or_amount("999TB", read=parse_bytes, setting="X"),
        gpu=share_or_amount("50%", read=whole_number, setting="X"),
    )
    assert limits.of(MACHINE) == Amounts(1.5, 2 * GIB, 100 * GIB, 2)
    assert Limits().of(MACHINE) == MACHINE


def test_a_share_of_devices_is_a_whole_number_of_them() -> None:
    assert Limits(gpu=Limit(share=0.5)).of(Amounts(gpus=3)) == Amounts(gpus=1)
    assert Limits(gpu=Limit(share=0.29)).of(Amounts(gpus=100)).gpus == 29, "29% of 100 is 29, whatever a float says"


@pytest.mark.parametrize("text", ["101%", "-1%", "%", "much", "", "1e3", "9" * 400, "9" * 400 + "%"])
def test_a_limit_that_is_none_names_its_setting(text: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^GADUS_CAPACITY_MEMORY: ") as refused:
        share_or_amount(text, read=parse_bytes, setting="GADUS_CAPACITY_MEMORY")
    assert refused.value.hint
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("text", ["0.5", "-1", "a", "99999"])
def test_devices_are_counted_in_whole_numbers(text: str) -> None:
    with pytest.raises(InvalidSpec, match="is not a number of devices"):
        share_or_amount(text, read=whole_number, setting="X")
