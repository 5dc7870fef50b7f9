"""The elements of Go's date layouts: how each stands in a layout, how it is read from a text, and how it is written."""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LARGEST_NANOSECOND = 10**9 - 1
_LARGEST_OFFSET = 25 * 60


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and a time of day, as on the clocks of its zone: `zone` is its name or "", its distance 0 where it is not said."""

    year: int = 0
    month: int = 1
    day: int = 1
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    zone: str = "UTC"
    minutes_east_of_utc: int = 0

    @property
    def day_of_year(self) -> int:
        """1 for the first of January."""
        return sum(days_of_months(self.year)[: self.month - 1]) + self.day

    @property
    def weekday(self) -> int:
        """0 for Monday."""
        # The calendar repeats after 400 years, and `date` knows no year 0.
        return date(2000 + self.year % 400, self.month, self.day).weekday()


@dataclass(frozen=True, slots=True)
class Element:
    """
    One part of a date.

    `accepts` is a regular expression of how it may be written, `value` what that says of `field`: from `lowest` to `highest`.
    """

    field: str
    accepts: bytes
    write: Callable[[Moment], str]
    lowest: int = 0
    highest: int = 9999
    value: Callable[[bytes], int] = int


def days_of_months(year: int) -> tuple[int, ...]:
    """How many days each month of the year has."""
    return (31, 29 if isleap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def elements_in(layout: bytes) -> Iterator[bytes | Element]:
    """The layout from left to right: its elements, and between them what stands for itself."""
    end = 0
    after_second = False
    for match in _MARKS.finditer(layout):
        literal = layout[end : match.start()]
        end = match.end()
        element = _fraction(match["zeros"] or match["nines"]) if match.lastgroup else _ELEMENTS[match[0]]
        if after_second and element.field != "nanosecond":
            yield _UNMENTIONED_FRACTION
        if literal:
            yield literal
        yield element
        after_second = element.field == "second"
    if after_second:
        yield _UNMENTIONED_FRACTION
    if layout[end:]:
        yield layout[end:]


def _name(field: str, names: Sequence[str], write: Callable[[Moment], str]) -> Element:
    """One of the `names`, in any case; the first stands for 1."""
    places = {name.lower().encode(): place for place, name in enumerate(names, 1)}
    return Element(field, b"(?i:%b)" % "|".join(names).encode(), write, value=lambda written: places[written.lower()])


def _short(names: Sequence[str]) -> list[str]:
    return [name[:3] for name in names]


def _offset(accepts: bytes, form: str) -> Element:
    """Hours and minutes from UTC, in a `form` for sign, hours and minutes."""

    def write(at: Moment) -> str:
        hours, minutes = divmod(abs(at.minutes_east_of_utc), 60)
        return form.format("-" if at.minutes_east_of_utc < 0 else "+", hours, minutes)

    return Element("offset", accepts, write, -_LARGEST_OFFSET, _LARGEST_OFFSET, _minutes_east)


def _offset_or_z(accepts: bytes, form: str) -> Element:
    """The same, but UTC is written Z."""
    numeric = _offset(accepts, form)

    def write(at: Moment) -> str:
        return numeric.write(at) if at.minutes_east_of_utc else "Z"

    return Element("offset", b"Z|" + accepts, write, -_LARGEST_OFFSET, _LARGEST_OFFSET, _minutes_east)


def _minutes_east(written: bytes) -> int:
    digits = written[1:].replace(b":", b"")
    hours, minutes = int(digits[:2] or b"0"), int(digits[2:] or b"0")
    # Go takes 24 hours and 60 minutes, since people write them.
    if hours > 24 or minutes > 60:
        return _LARGEST_OFFSET + 1
    return (hours * 60 + minutes) * (-1 if written[:1] == b"-" else 1)


def _fraction(mark: bytes) -> Element:
    """A fraction of a second: of exactly as many digits as zeros in the mark; with nines of any number, or left out."""
    separator, digits = chr(mark[0]), len(mark) - 1
    trimmed = mark[1:2] == b"9"

    def write(at: Moment) -> str:
        written = f"{at.nanosecond:09}"[:digits]
        written = written.rstrip("0") if trimmed else written
        return separator + written if written else ""

    # Go lets a sign stand for the first digit, and does not look at any after the ninth.
    looked_at = min(digits, 9)
    exact = rb"[.,](?:[0-9]{%d}|[+-][0-9]{%d}).{%d}" % (looked_at, looked_at - 1, digits - looked_at)
    accepts = _ANY_FRACTION if trimmed else exact
    return Element("nanosecond", accepts, write, highest=_LARGEST_NANOSECOND, value=_nanoseconds)


def _full_year(written: bytes) -> int:
    """From 1969 to 2068."""
    return 1969 + (int(written) - 69) % 100


def _nanoseconds(written: bytes) -> int:
    return int(written[1:10].ljust(9, b"0"))


_ANY_FRACTION = rb"(?:[.,][0-9]+)?"
_UNMENTIONED_FRACTION = Element("nanosecond", _ANY_FRACTION, lambda _: "", highest=_LARGEST_NANOSECOND, value=_nanoseconds)
"""Seconds take a fraction along also when the next element is none; it is not written again."""

_TWO, _ONE_OR_TWO = rb"[0-9]{2}", rb"[0-9]{1,2}"
# Capitals, of which four or five end in T, but for a few; hours from UTC, also after GMT. Three bytes must be left to read.
_ZONE = (
    rb"(?=.{3})(?:UTC|ChST|MeST|GMT(?:[+-]0*(?:1?[0-9]|2[0-3])(?![0-9]))?|[+-]0*(?:1?[0-9]|2[0-3])(?![0-9])"
    rb"|(?:[A-Z]{3}|[A-Z]{3,4}T|WITA)(?![A-Z]))"
)
_ELEMENTS: dict[bytes, Element] = {
    b"2006": Element("year", rb"[0-9]{4}", lambda at: f"{at.year:04}"),
    # Go lets a sign stand for the first digit.
    b"06": Element("year", rb"[0-9+-][0-9]", lambda at: f"{at.year % 100:02}", value=_full_year),
    b"January": _name("month", _MONTHS, lambda at: _MONTHS[at.month - 1]),
    b"Jan": _name("month", _short(_MONTHS), lambda at: _MONTHS[at.month - 1][:3]),
    b"01": Element("month", _TWO, lambda at: f"{at.month:02}", 1, 12),
    b"1": Element("month", _ONE_OR_TWO, lambda at: f"{at.month}", 1, 12),
    b"02": Element("day", _TWO, lambda at: f"{at.day:02}"),
    b"_2": Element("day", rb" ?[0-9]{1,2}", lambda at: f"{at.day:2}"),
    b"2": Element("day", _ONE_OR_TWO, lambda at: f"{at.day}"),
    b"002": Element("day_of_year", rb"[0-9]{3}", lambda at: f"{at.day_of_year:03}"),
    b"__2": Element("day_of_year", rb" {0,2}[0-9]{1,3}", lambda at: f"{at.day_of_year:3}"),
    b"Monday": _name("weekday", _WEEKDAYS, lambda at: _WEEKDAYS[at.weekday]),
    b"Mon": _name("weekday", _short(_WEEKDAYS), lambda at: _WEEKDAYS[at.weekday][:3]),
    b"15": Element("hour", _ONE_OR_TWO, lambda at: f"{at.hour:02}", 0, 23),
    b"03": Element("hour", _TWO, lambda at: f"{at.hour % 12 or 12:02}", 0, 12),
    b"3": Element("hour", _ONE_OR_TWO, lambda at: f"{at.hour % 12 or 12}", 0, 12),
    b"PM": Element("half", rb"[AP]M", lambda at: "PM" if at.hour >= 12 else "AM", value=len),
    b"pm": Element("half", rb"[ap]m", lambda at: "pm" if at.hour >= 12 else "am", value=len),
    b"04": Element("minute", _TWO, lambda at: f"{at.minute:02}", 0, 59),
    b"4": Element("minute", _ONE_OR_TWO, lambda at: f"{at.minute}", 0, 59),
    b"05": Element("second", _TWO, lambda at: f"{at.second:02}", 0, 59),
    b"5": Element("second", _ONE_OR_TWO, lambda at: f"{at.second}", 0, 59),
    b"MST": Element("zone", _ZONE, lambda at: at.zone or _ELEMENTS[b"-0700"].write(at), value=len),
    b"-0700": _offset(rb"[+-][0-9]{4}", "{}{:02}{:02}"),
    b"-07:00": _offset(rb"[+-][0-9]{2}:[0-9]{2}", "{}{:02}:{:02}"),
    b"-07": _offset(rb"[+-][0-9]{2}", "{}{:02}"),
    b"Z0700": _offset_or_z(rb"[+-][0-9]{4}", "{}{:02}{:02}"),
    b"Z07:00": _offset_or_z(rb"[+-][0-9]{2}:[0-9]{2}", "{}{:02}:{:02}"),
    b"Z07": _offset_or_z(rb"[+-][0-9]{2}", "{}{:02}"),
}
_MARKS = re.compile(
    rb"2006|0[1-6]|002|January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|15|PM|pm|_2(?!006)|__2|[1-5]"
    rb"|[-Z]07:?00|[-Z]07|(?P<zeros>[.,]0+(?![0-9]))|(?P<nines>[.,]9+(?![0-9]))"
)
