"""
Lists of jobs in the order of their last changes, a page at a time, over all jobs there are.

Each change has a number, the one before it a smaller: the numbers are looked through, and where the job has not changed since,
it is the next of the list. A page begins after such a number, so that it is right whatever changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

from gadus.core.placement import unmet

from .database import Row, Snapshot, Value
from .finding import inside_of
from .paging import BYTES_OF_A_PAGE, LABELLED_AT_ONCE, PARTS_OF_A_PAGE, Wanted
from .rows import labels_of
from .tables import COLUMNS

_CHANGES_AT_ONCE = 5000
"""So many are looked through before others read."""


class Looking:
    """A page of at most `limit` jobs that is being made, with those that changed after `place`; 0 for the beginning."""

    def __init__(self, where: str, wanted: Wanted, limit: int, place: int) -> None:
        self._where = where
        self._wanted = wanted
        self._limit = limit
        self._parts = self._size_bytes = 0
        self._place = place
        self._is_full = self._is_at_end = limit < 1
        self.ids: list[str] = []

    @property
    def goes_on(self) -> bool:
        """Whether more has to be looked through for this page."""
        return not (self._is_full or self._is_at_end)

    @property
    def next(self) -> int:
        """Where the next page begins; 0 when there is none."""
        return 0 if self._is_at_end else self._place

    def look(self, snapshot: Snapshot) -> None:
        """Look through some more changes."""
        (last,) = snapshot.rows("SELECT coalesce(max(seq), 0) FROM events")[0]
        newest_first = self._wanted.newest_first
        at_once = LABELLED_AT_ONCE if self._wanted.labels else _CHANGES_AT_ONCE
        if newest_first:
            high = self._place or last + 1
            low, end = max(high - at_once, 1), high - at_once <= 1
        else:
            low = self._place + 1
            high, end = low + at_once, low + at_once > last
        for row in self._rows(snapshot, low, high):
            if not self._takes(row):
                self._is_full = True
                return
            self._place = row[0]
        self._place = low if newest_first else high - 1
        self._is_at_end = end

    def _rows(self, snapshot: Snapshot, low: int, high: int) -> Iterator[Row]:
        wanted = self._wanted
        conditions, values = ["e.seq >= ?", "e.seq < ?", "j.id = e.job_id", "j.version = e.version"], list[Value]((low, high))
        if wanted.namespaces is not None:
            condition, names = inside_of(wanted.namespaces)
            conditions.append(f"j.{condition}" if names else condition)
            values += names
        more = [f"j.{name}" for name in COLUMNS["jobs"]] if wanted.labels else []
        columns = ", ".join(("e.seq", "j.id", "j.parts", "octet_length(j.job)", *more))
        order = "DESC" if wanted.newest_first else "ASC"
        # A cross join: SQLite goes through it from left to right, and so in the order that is wanted.
        tables = "events e CROSS JOIN jobs j"
        query = f"SELECT {columns} FROM {tables} WHERE {' AND '.join(conditions)} ORDER BY e.seq {order}"  # noqa: S608 - bound
        for row in snapshot.rows(query, values):
            if not wanted.labels or not unmet(labels_of(self._where, row[4:]), wanted.labels):
                yield row

    def _takes(self, row: Row) -> bool:
        """Whether there is room for one more job in this page, which then has it."""
        _, job_id, parts, size_bytes = row[:4]
        much = self._parts >= PARTS_OF_A_PAGE or self._size_bytes + size_bytes > BYTES_OF_A_PAGE
        if len(self.ids) == self._limit or (self.ids and much):
            return False
        self.ids.append(job_id)
        self._parts += parts
        self._size_bytes += size_bytes
        return True
