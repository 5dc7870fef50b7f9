"""The store in SQL: what was appended, and how it is read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Self

from gadus.core.errors import GadusError, StorageUnavailable
from gadus.core.job import Event, Job, State, Vacancy
from gadus.core.spec import Constraint

from . import finding, paging
from .appending import Batch
from .changing import Looking
from .contract import Change, Waiting
from .database import Database, Row
from .failures import corrupt
from .rows import Deadline, Needs, complete, event_of, vacancies_of
from .tables import COLUMNS

_ROWS_AT_ONCE = 1000
# A log of which a sync failed may still have the whole transaction, and would give it back: until something is written over it.
_REFUSED = (
    "INSERT INTO store (name, value) VALUES ('refused', '1') "
    "ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(store.value AS INTEGER) + 1 AS TEXT)"
)
# As much as a job takes: on a disk that is nearly full, less might find room.
_PROOF = "INSERT INTO store (name, value) VALUES ('proof', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_PROOF_LENGTH = 1 << 16


class EventLog:
    """See `contract.Store`. `needs` and `deadline` give what `waiting` tells of a job."""

    def __init__(self, database: Database, needs: Needs, deadline: Deadline) -> None:
        self.database = database
        self._needs = needs
        self._deadline = deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """See `Store.close`."""
        self.database.close()

    def append_all(self, changes: Sequence[Change]) -> list[GadusError | None]:
        """See `Store.append_all`."""
        batch = Batch(changes, self._needs, self._deadline)
        try:
            with self.database.transaction() as transaction:
                batch.write(transaction)
        except StorageUnavailable as error:
            # A lost answer to a commit is not a lost commit.
            if not batch.rows or not self._was_kept(batch, error):
                raise
        self.database.reached(batch.last_seq)
        return batch.answers

    def append(self, before: Job | None, after: Job, *events: Event, key: str = "") -> None:
        """See `Store.append`."""
        (answer,) = self.append_all([Change(before, after, events, key)])
        if answer is not None:
            raise answer

    def get(self, job_id: str) -> Job:
        """See `Store.get`."""
        with self.database.reading() as snapshot:
            return finding.get(self.database.where, snapshot, job_id)

    def find(self, text: str, namespaces: frozenset[str] | None = None) -> Job:
        """See `Store.find`."""
        with self.database.reading() as snapshot:
            return finding.find(self.database.where, snapshot, text, namespaces)

    def latest_named(self, namespace: str, name: str) -> Job | None:
        """See `Store.latest_named`."""
        with self.database.reading() as snapshot:
            return finding.latest_named(self.database.where, snapshot, namespace, name)

    def submission(self, namespace: str, key: str) -> str:
        """See `Store.submission`."""
        with self.database.reading() as snapshot:
            rows = snapshot.rows("SELECT job_id FROM submissions WHERE namespace = ? AND key = ?", (namespace, key))
        return str(rows[0][0]) if rows else ""

    def page(
        self,
        *,
        limit: int,
        after: str = "",
        newest_first: bool = True,
        namespaces: frozenset[str] | None = None,
        states: Sequence[State] = (),
        labels: Sequence[Constraint] = (),
    ) -> tuple[Sequence[Job], str]:
        """See `Store.page`."""
        wanted = paging.Wanted(newest_first, namespaces, tuple(states), tuple(labels))
        with self.database.reading() as snapshot:
            return paging.page(self.database.where, snapshot, wanted, limit, after)

    def page_by_change(
        self,
        *,
        limit: int,
        after: int = 0,
        newest_first: bool = True,
        namespaces: frozenset[str] | None = None,
        labels: Sequence[Constraint] = (),
    ) -> tuple[Sequence[Job], int]:
        """See `Store.page_by_change`."""
        where = self.database.where
        looking = Looking(where, paging.Wanted(newest_first, namespaces, (), tuple(labels)), limit, after)
        while looking.goes_on:
            # Each time anew: few may be found among many, and others read, too.
            with self.database.reading() as snapshot:
                looking.look(snapshot)
        with self.database.reading() as snapshot:
            return finding.whole(where, snapshot, looking.ids), looking.next

    def events(self, job_id: str, after_version: int = 0) -> Sequence[tuple[int, Event]]:
        """See `Store.events`."""
        query = "SELECT version, event, checksum FROM events WHERE job_id = ? AND version > ? ORDER BY version"
        with self.database.reading() as snapshot:
            last = finding.version_of(self.database.where, snapshot, job_id)
            rows = snapshot.rows(query, (job_id, after_version))
        if [row[0] for row in rows] != list(range(after_version + 1, last + 1)):
            raise corrupt(self.database.where, f"events of job {job_id} are missing")
        return [(version, event_of(self.database.where, job_id, version, text, found)) for version, text, found in rows]

    def unfinished(self) -> Iterator[Job]:
        """See `Store.unfinished`."""
        with self.database.reading() as snapshot:
            rows = snapshot.rows("SELECT id FROM jobs WHERE standing = 'active' ORDER BY created_at, id")
        return (self.get(str(job_id)) for (job_id,) in rows)

    def waiting(self) -> Iterator[Waiting]:
        """See `Store.waiting`."""
        columns = ", ".join(f"p.{column}" for column in COLUMNS["parts"])
        query = (
            f"SELECT j.version, j.type, j.priority, j.needs, j.deadline, j.parts, {columns} "  # noqa: S608 - our own names
            "FROM jobs j JOIN parts p ON p.job_id = j.id "
            "WHERE j.standing = 'waiting' ORDER BY j.created_at, j.id, p.position"
        )
        where = self.database.where
        with self.database.snapshot() as snapshot:
            pairs = _with_vacancies(where, snapshot.stream(query))
            for job_id, group in groupby(pairs, lambda pair: str(pair[0][6])):
                rows, vacancies = zip(*group, strict=True)
                version, kind, priority, needs, deadline, expected = rows[0][:6]
                complete(where, job_id, len(vacancies), expected)
                yield Waiting(job_id, version, kind, priority, needs, deadline, vacancies)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """See `Store.counts`."""
        # Not by the connection that the others read by: nobody waits for this.
        with self.database.snapshot() as snapshot:
            rows = snapshot.rows("SELECT type, state, count(*) FROM jobs GROUP BY state, type")
        return {(kind, state): number for kind, state, number in rows}

    def prove(self) -> None:
        """See `Store.prove`."""
        with self.database.transaction() as transaction:
            transaction.run(_PROOF, [(f"{time.time()}".ljust(_PROOF_LENGTH, "."),)])

    def changes(self, after: int, *, limit: int = 1000) -> tuple[Sequence[tuple[int, str, int]], int]:
        """See `Store.changes`."""
        with self.database.reading() as snapshot:
            if limit < 1:
                return [], int(snapshot.rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])
            query = "SELECT seq, job_id, version FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
            rows = snapshot.rows(query, (after, limit))
        latest = {job_id: (seq, job_id, version) for seq, job_id, version in rows}
        return list(latest.values()), rows[-1][0] if rows else after

    def _was_kept(self, batch: Batch, error: StorageUnavailable) -> bool:
        """Whether the batch is there after all. If not, nor will it be after a crash: another commit stands in its place."""
        try:
            with self.database.transaction() as transaction:
                was_kept = batch.is_in(transaction)
                transaction.run(_REFUSED)
        except StorageUnavailable:
            # The first error is the one to show.
            raise error from error.__cause__
        return was_kept


def _with_vacancies(where: str, rows: Iterator[Row]) -> Iterator[tuple[Row, Vacancy]]:
    """Each row with the vacancy at its end; many are read at once, which is ten times as fast as one by one."""
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        yield from zip(some, vacancies_of(where, [row[6:] for row in some]), strict=True)
