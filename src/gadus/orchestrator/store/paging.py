"""Lists of jobs, a page at a time: each page begins where the one before ended, however many jobs there are."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from gadus.core.errors import Rejected
from gadus.core.job import Job, State
from gadus.core.placement import unmet
from gadus.core.spec import Constraint

from .database import Row, Snapshot, Value, placeholders
from .failures import corrupt
from .finding import inside_of, whole
from .rows import labels_of
from .tables import COLUMNS

_ROWS_AT_ONCE = 1000
LABELLED_AT_ONCE = 100
"""Of these the whole jobs are read, which may bring programs along."""
PARTS_OF_A_PAGE = 20_000
"""With so many executions and vacancies a page ends, though it be a single job."""
BYTES_OF_A_PAGE = 4 << 20
"""No further job is added with which a page would have more; a job may bring its program along."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs, in which order."""

    newest_first: bool
    namespaces: frozenset[str] | None
    states: tuple[State, ...]
    labels: tuple[Constraint, ...]


def page(where: str, snapshot: Snapshot, wanted: Wanted, limit: int, after: str) -> tuple[Sequence[Job], str]:
    """See `Store.page`."""
    place = _place_of(after) if after else None
    chosen: list[Row] = []
    parts = size_bytes = 0
    while True:
        # One more than is wanted: whether there is a next page.
        count = min(limit - len(chosen) + 1, _ROWS_AT_ONCE) if not wanted.labels else LABELLED_AT_ONCE
        rows = _rows(snapshot, wanted, count, place)
        _refuse_disorder(where, wanted, place, rows)
        for row in rows:
            if wanted.labels and unmet(labels_of(where, row[4:]), wanted.labels):
                continue
            size_bytes += row[3]
            if len(chosen) == limit or (chosen and (parts >= PARTS_OF_A_PAGE or size_bytes > BYTES_OF_A_PAGE)):
                return whole(where, snapshot, [one[1] for one in chosen]), _token(chosen[-1]) if chosen else after
            chosen.append(row[:3])
            parts += row[2]
        if len(rows) < count:
            return whole(where, snapshot, [one[1] for one in chosen]), ""
        place = (rows[-1][0], rows[-1][1])


def _rows(snapshot: Snapshot, wanted: Wanted, count: int, place: tuple[float, str] | None) -> list[Row]:
    conditions, values = [], list[Value]()
    if place is not None:
        conditions.append(f"(created_at, id) {'<' if wanted.newest_first else '>'} (?, ?)")
        values += place
    if wanted.namespaces is not None:
        condition, names = inside_of(wanted.namespaces)
        conditions.append(condition)
        values += names
    if wanted.states:
        conditions.append(f"state IN ({placeholders(len(wanted.states))})")
        values += [state.value for state in wanted.states]
    order = "DESC" if wanted.newest_first else "ASC"
    columns = ", ".join(("created_at", "id", "parts", "octet_length(job)", *(COLUMNS["jobs"] if wanted.labels else ())))
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT {columns} FROM jobs {where} ORDER BY created_at {order}, id {order} LIMIT ?"  # noqa: S608 - bound
    return snapshot.rows(query, [*values, count])


def _refuse_disorder(where: str, wanted: Wanted, place: tuple[float, str] | None, rows: Sequence[Row]) -> None:
    """Raises StoreCorrupt for rows that do not follow each other: a part of an index stands where another should."""
    for created_at, job_id, parts, *_ in rows:
        if not (isinstance(created_at, float) and isinstance(job_id, str) and isinstance(parts, int)):
            raise corrupt(where, "the list of jobs has something else in it")
        here = (created_at, job_id)
        if place is not None and (here >= place if wanted.newest_first else here <= place):
            raise corrupt(where, "the list of jobs is not in order")
        place = here


def _token(row: Row) -> str:
    return urlsafe_b64encode(json.dumps([row[0], row[1]]).encode()).decode()


def _place_of(token: str) -> tuple[float, str]:
    try:
        created_at, job_id = json.loads(urlsafe_b64decode(token.encode()))
        if isinstance(created_at, float) and isinstance(job_id, str) and "\0" not in job_id:
            return created_at, job_id
    except (binascii.Error, ValueError, TypeError):
        pass
    raise Rejected("this is not where a page of jobs ends", hint="give the token that came with the page before, unchanged")
