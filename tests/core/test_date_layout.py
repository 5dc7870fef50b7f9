"""Date layouts read and write what Go does; the expected texts are what Go's own time package answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadus.core.date_elements import Moment, days_of_months
from gadus.core.date_layout import DateLayout

MOMENT = Moment(2023, 9, 7, 8, 3, 2, 50_600_000, "CEST", 120)


def again(layout: str, text: str) -> str | None:
    """What was read, as it is written; None when it cannot be read."""
    dates = DateLayout(layout.encode())
    moment = dates.parse(text.encode())
    return None if moment is None else dates.format(moment).decode()


@pytest.mark.parametrize(
    ("element", "written"),
    [
        ("2006", "2023"),
        ("06", "23"),
        ("01", "09"),
        ("1", "9"),
        ("Jan", "Sep"),
        ("January", "September"),
        ("02", "07"),
        ("2", "7"),
        ("_2", " 7"),
        ("002", "250"),
        ("__2", "250"),
        ("15", "08"),
        ("03", "08"),
        ("3", "8"),
        ("04", "03"),
        ("4", "3"),
        ("05", "02"),
        ("5", "2"),
        ("05.000", "02.050"),
        ("05,0000", "02,0506"),
        ("05.999", "02.05"),
        ("PM", "AM"),
        ("pm", "am"),
        ("Mon", "Thu"),
        ("Monday", "Thursday"),
        ("MST", "CEST"),
        ("-0700", "+0200"),
        ("-07:00", "+02:00"),
        ("-07", "+02"),
        ("Z0700", "+0200"),
        ("Z07:00", "+02:00"),
        ("Z07", "+02"),
    ],
)
def test_every_element_is_written_and_read_again(element: str, written: str) -> None:
    assert DateLayout(element.encode()).format(MOMENT).decode() == written
    # A weekday alone says nothing of the date.
    assert element.startswith("Mon") or again(element, written) == written


@pytest.mark.parametrize("layout", ["abc", "Januar", "Mont", "_x", "0", "007", ".x", "Z", "Z7", "-7x", "é%", "[a]+(?:"])
def test_everything_else_stands_for_itself(layout: str) -> None:
    assert again(layout, layout) == layout


def test_underscores_before_a_year_are_no_blanks() -> None:
    assert again("_2006", "_2023") == "_2023"


@pytest.mark.parametrize(
    ("layout", "text", "written"),
    [
        ("2006-01-02", "2023-02-28", "2023-02-28"),
        ("2006-1-2", "2023-01-02", "2023-1-2"),
        ("06", "68", "68"),
        ("Jan", "sEP", "Sep"),
        ("January 2", "may 09", "May 9"),
        ("3PM", "12AM", "12AM"),
        ("3 15", "1 13", "1 13"),
        ("_2", "7", " 7"),
        ("_2", "17", "17"),
        ("__2", "7", "  7"),
        ("2006 002", "2024 060", "2024 060"),
        ("2006-002 01-02", "2024-366 12-31", "2024-366 12-31"),
        ("a b", "a   b", "a b"),
        ("a ", "a", "a "),
        ("15:04:05", "08:03:02.5", "08:03:02"),
        ("15:04:05 2006", "08:03:02.5 2023", "08:03:02 2023"),
        (".000 05", ".125 02", ".125 02"),
        ("15PM", "13PM", "13PM"),
        ("05.999", "02", "02"),
        ("05.000", "02,125", "02.125"),
        ("Mon 02", "Sun 02", "Sun 02"),
        ("Mon 2006-01-02", "Mon 2023-09-07", "Thu 2023-09-07"),
        ("Z07:00", "Z", "Z"),
        ("Z07:00", "+00:00", "Z"),
        ("-0700", "-0030", "-0030"),
        ("-07", "+24", "+24"),
        ("MST", "UTC", "UTC"),
        ("MST", "GMT", "GMT"),
        ("MST", "WITA", "WITA"),
        ("MST", "+03", "+03"),
        ("MST -0700", "UTC +0300", "UTC +0000"),
        ("2006MST", "2023EST", "2023EST"),
    ],
)
def test_texts_are_written_in_the_layouts_own_spelling(layout: str, text: str, written: str) -> None:
    assert again(layout, text) == written


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("2006-01-02", "2023-02-29"),
        ("2006-01-02", "2023-00-01"),
        ("2006-01-02", "2023-13-01"),
        ("2006-01-02", "2023-01-00"),
        ("2006-01-02", "2023-01"),
        ("2006-01-02", "2023-01-02x"),
        ("2006-01-02", "2023/01/02"),
        ("01", "9"),
        ("15", "24"),
        ("03", "13"),
        ("04", "60"),
        ("05", "60"),
        ("2", "32"),
        ("002", "000"),
        ("2006 002", "2023 366"),
        ("002 01", "060 03"),
        ("002 02", "060 03"),
        ("Janx", "Sepx"),
        (".0001", ".1239"),
        ("MST", "+3"),
        ("January", "Septem"),
        ("Mon", "Xyz"),
        ("PM", "pm"),
        ("05.000", "02"),
        ("05.000", "02.1"),
        ("a b", "ab"),
        ("-0700", "+2500"),
        ("-0700", "+0261"),
        ("-0700", "Z"),
        ("-07:00", "+0200"),
        ("MST", "utc"),
        ("MST", "ABCD"),
        ("MST", "ABCDEF"),
        ("2006", "２０２３"),
    ],
)
def test_texts_that_are_no_such_date_are_none(layout: str, text: str) -> None:
    assert again(layout, text) is None


@pytest.mark.parametrize("layout", ["12", "21", "315", "102", ".000000000000x2 "])
def test_layouts_that_cannot_read_what_they_write_are_refused(layout: str) -> None:
    with pytest.raises(ValueError, match=f"^invalid date format: {layout}$"):
        DateLayout(layout.encode())


MOMENTS = st.builds(
    lambda year, month, day, *rest: Moment(year, month, min(day, days_of_months(year)[month - 1]), *rest),
    *(st.integers(0, 9999), st.integers(1, 12), st.integers(1, 31)),
    *(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 10**9 - 1)),
    st.sampled_from(["UTC", "CET", "CEST", "GMT"]),
    st.integers(-24 * 60, 24 * 60),
)
LAYOUTS = [
    "2006-01-02T15:04:05.000000000Z07:00",
    "Mon Jan _2 03:04:05.999 PM 2006",
    "Monday, 2 January 2006 3:4:5pm",
    "2006/002 -07:00",
    "20060102150405",
    "2006 __2x1x2x15 -0700 MST",
    "02Jan06",
]


@settings(deadline=None)
@given(st.sampled_from(LAYOUTS), MOMENTS)
def test_what_was_written_is_read_again(layout: str, moment: Moment) -> None:
    if moment.zone == "UTC":
        moment = replace(moment, minutes_east_of_utc=0)
    dates = DateLayout(layout.encode())
    written = dates.format(moment)
    read = dates.parse(written)
    assert read is not None
    assert dates.format(read) == written
    if layout == LAYOUTS[0]:
        assert read == replace(moment, zone="UTC" if moment.minutes_east_of_utc == 0 else "")


@settings(deadline=None)
@given(st.sampled_from(LAYOUTS), st.binary(max_size=40) | st.text("0123456789:-/ TZ.,AMPMJan", max_size=40).map(str.encode))
def test_any_text_is_a_date_or_none(layout: str, text: bytes) -> None:
    dates = DateLayout(layout.encode())
    moment = dates.parse(text)
    assert moment is None or dates.parse(dates.format(moment)) is not None


@settings(deadline=None)
@given(
    st.binary(max_size=40)
    | st.lists(st.sampled_from(["2006", "01", "2", "_2", "Jan", "Mon", "MST", ".000", " ", "-07"])).map("".join).map(str.encode)
)
def test_any_layout_is_ready_or_refused(layout: bytes) -> None:
    try:
        dates = DateLayout(layout)
    except ValueError as exc:
        assert str(exc).startswith("invalid date format: ")
    else:
        assert dates.format(MOMENT) is not None
