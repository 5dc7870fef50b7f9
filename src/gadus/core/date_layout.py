"""
Dates written the way Go writes them: a layout shows how Mon Jan 2 15:04:05 MST 2006 would look, e.g. ``2006-01-02``.

Works on bytes, as Go does. What a layout does not mention is as in 0000-01-01 00:00:00 UTC.
"""

from __future__ import annotations

import re

from .date_elements import Element, Moment, days_of_months, elements_in

_REFERENCE = Moment(2006, 1, 2, 15, 4, 5)


class DateLayout:
    """A layout, ready to read and write dates: in time proportional to the text, whatever the layout."""

    def __init__(self, layout: bytes) -> None:
        """Raises ValueError when dates written with `layout` cannot be read again with it."""
        self._parts = tuple(elements_in(layout))
        self._elements = [part for part in self._parts if isinstance(part, Element)]
        # Atomic groups: a reader from left to right never gives back what an element has taken.
        patterns = (b"((?>%b))" % part.accepts if isinstance(part, Element) else _literal(part) for part in self._parts)
        self._regex = re.compile(b"".join(patterns), re.DOTALL)
        if self.parse(self.format(_REFERENCE)) is None:
            raise ValueError(f"invalid date format: {layout.decode(errors='replace')}")

    def parse(self, text: bytes) -> Moment | None:
        """The moment that the whole of `text` names; None when it is written otherwise, or there is no such moment."""
        match = self._regex.fullmatch(text)
        if match is None:
            return None
        said: dict[str, int] = {}
        zone = ""
        for element, written in zip(self._elements, match.groups(), strict=True):
            value = element.value(written)
            if not element.lowest <= value <= element.highest:
                return None
            # A fraction may be left out.
            if written:
                said[element.field] = value
            if element.field == "zone":
                zone = written.decode()
        return _moment(said, zone, frozenset(match.groups()))

    def format(self, moment: Moment) -> bytes:
        """The moment as this layout writes it."""
        return b"".join(part.write(moment).encode() if isinstance(part, Element) else part for part in self._parts)


def _literal(text: bytes) -> bytes:
    """Stands for itself, but blanks match any number of blanks, and none at the end of the text."""
    return b"".join(rb"(?: ++|\Z)" if part.startswith(b" ") else re.escape(part) for part in re.split(b"( +)", text))


def _moment(said: dict[str, int], zone: str, written: frozenset[bytes]) -> Moment | None:
    """What the fields say together; None when they contradict each other."""
    year = said.get("year", 0)
    month, day = said.get("month", 1), said.get("day", 1)
    months = days_of_months(year)
    if "day_of_year" in said:
        month, day = 1, said["day_of_year"]
        while month <= 12 and day > months[month - 1]:
            day -= months[month - 1]
            month += 1
        if month != said.get("month", month) or day != said.get("day", day):
            return None
    if not (month <= 12 and 1 <= day <= months[month - 1]):
        return None
    hour = said.get("hour", 0)
    if hour < 12 and written & {b"PM", b"pm"}:
        hour += 12
    elif hour == 12 and written & {b"AM", b"am"}:
        hour = 0
    offset = said.get("offset", 0)
    # By GMT+3 alone Go would move the clock, and write another hour than it has read.
    if written & {b"UTC", b"Z"} or not (zone or "offset" in said):
        zone, offset = "UTC", 0
    return Moment(year, month, day, hour, said.get("minute", 0), said.get("second", 0), said.get("nanosecond", 0), zone, offset)
