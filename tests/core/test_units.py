"""Amounts mean what people write, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadus.core.units import format_bytes, format_seconds, parse_bytes, parse_cores

UNITS = {
    "": 1,
    "B": 1,
    "k": 1000,
    "kB": 1000,
    "Mb": 10**6,
    "G": 10**9,
    "TB": 10**12,
    "Ki": 2**10,
    "MiB": 2**20,
    "gib": 2**30,
    "TiB": 2**40,
}


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1024", 1024),
        ("1Gb", 10**9),
        ("42MiB", 44_040_192),
        ("512 Ki", 524_288),
        ("0.5k", 500),
        (".5 kB", 500),
        (" 1\nGB ", 10**9),
        ("4611686018427387904", 2**62),
    ],
)
def test_sizes_follow_bacalhaus_rules(text: str, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@settings(deadline=None)
@given(st.integers(0, 2**20), st.sampled_from(sorted(UNITS)), st.booleans(), st.sampled_from(["", " ", "\n"]))
def test_units_count_in_any_case_and_with_blanks(amount: int, unit: str, upper: bool, blank: str) -> None:
    assert parse_bytes(f"{amount}{blank}{unit.upper() if upper else unit.lower()}") == amount * UNITS[unit]


@pytest.mark.parametrize(("text", "cores"), [("2", 2.0), ("0.5", 0.5), ("500m", 0.5), ("250M", 0.25), ("1k", 1000.0)])
def test_cores_follow_bacalhaus_rules(text: str, cores: float) -> None:
    assert parse_cores(text) == cores


@settings(deadline=None)
@given(st.integers(0, 2**20))
def test_cores_round_trip(thousandths: int) -> None:
    assert parse_cores(f"{thousandths}m") == pytest.approx(thousandths / 1000)


@pytest.mark.parametrize(
    "text", ["", "Gb", "-1", "1e3", "1.", "1.2.3", "2 bananas", "1GB extra", "٣", "9" * 30, "9" * 10_000_000]
)
def test_what_is_no_amount_is_refused_with_the_way_out(text: str) -> None:
    for parse in (parse_bytes, parse_cores):
        with pytest.raises(ValueError, match=r"use|more .* than any machine") as caught:
            parse(text)
        assert len(str(caught.value)) < 300


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    for parse in (parse_bytes, parse_cores):
        try:
            assert parse(text) >= 0
        except ValueError as exc:
            assert str(exc)


@settings(deadline=None)
@given(st.integers(0, 2**50))
def test_formatted_size_reads_back_within_its_rounding(size_bytes: int) -> None:
    assert parse_bytes(format_bytes(size_bytes)) == pytest.approx(size_bytes, rel=0.06)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**31, "2.0 GiB"), (2**41, "2.0 TiB"), (2**20 - 1, "1.0 MiB")],
)
def test_sizes_read_well(size_bytes: int, text: str) -> None:
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.42 s"), (12.34, "12.3 s"), (245, "4 min 05 s"), (7380, "2 h 03 min"), (9.999, "10.0 s"), (99.96, "1 min 40 s")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
