"""One transaction's worth of changes: what of them can be kept, and the rows that this takes."""

from __future__ import annotations

from collections.abc import Sequence

from gadus.core.errors import Conflict, GadusError
from gadus.core.job import Job

from . import parts
from .contract import Change
from .database import Transaction, Value, placeholders
from .rows import Deadline, Needs, event_row, job_row
from .tables import insert, upsert

_VALUES_AT_ONCE = 500
"""Fewer than any database takes in one statement."""


class Batch:
    """
    Changes that become durable together.

    After `write`, `answers` has None or a Conflict in the place of each, `rows` the events that were added, and `last_seq`
    the number of the last of all events.
    """

    def __init__(self, changes: Sequence[Change], needs: Needs, deadline: Deadline) -> None:
        self._changes = changes
        self._needs = needs
        self._deadline = deadline
        self.answers: list[GadusError | None] = []
        self.rows: list[tuple[Value, ...]] = []
        self.last_seq = 0

    def write(self, transaction: Transaction) -> None:
        """Write what does not conflict with what is there, or with an earlier change of the batch."""
        versions = self._versions(transaction)
        folded = {job_id: is_folded for job_id, (_, is_folded) in versions.items()}
        current = {job_id: version for job_id, (version, _) in versions.items()}
        keys = self._known_keys(transaction)
        self.last_seq = int(transaction.rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])
        jobs: dict[str, Job] = {}
        changed_parts: parts.Changes = {}
        new_keys: list[tuple[Value, ...]] = []
        for change in self._changes:
            job = change.after
            answer = _conflict(change, current.get(job.id, 0), keys)
            self.answers.append(answer)
            if answer is not None:
                continue
            for version, event in enumerate(change.events, change.first_version):
                self.last_seq += 1
                self.rows.append(event_row(self.last_seq, job.id, version, event))
            if change.key:
                keys.add((job.spec.namespace, change.key))
                new_keys.append((job.spec.namespace, change.key, job.id))
            current[job.id] = job.version
            jobs[job.id] = job
            parts.add(changed_parts, parts.changes_of(change.before, job))
        transaction.run(insert("events"), self.rows)
        transaction.run(
            upsert("jobs", "id"),
            [job_row(job, self._needs, self._deadline, folded=folded.get(job.id, True)) for job in jobs.values()],
        )
        parts.write(transaction, changed_parts)
        transaction.run(insert("submissions"), new_keys)

    def is_in(self, transaction: Transaction) -> bool:
        """Whether it was kept after all: when the answer to the commit did not come."""
        last = self.rows[-1]
        found = transaction.rows("SELECT job_id, version, event FROM events WHERE seq = ?", (last[0],))
        return found == [(last[1], last[2], last[4])]

    def _versions(self, transaction: Transaction) -> dict[str, tuple[int, bool]]:
        ids = sorted({change.after.id for change in self._changes})
        found: dict[str, tuple[int, bool]] = {}
        for start in range(0, len(ids), _VALUES_AT_ONCE):
            some = ids[start : start + _VALUES_AT_ONCE]
            query = f"SELECT id, version, folded FROM jobs WHERE id IN ({placeholders(len(some))})"  # noqa: S608 - bound
            found |= {job_id: (version, bool(folded)) for job_id, version, folded in transaction.rows(query, some)}
        return found

    def _known_keys(self, transaction: Transaction) -> set[tuple[str, str]]:
        known = set()
        for change in self._changes:
            key = (change.after.spec.namespace, change.key)
            if change.key and transaction.rows("SELECT 1 FROM submissions WHERE namespace = ? AND key = ?", key):
                known.add(key)
        return known


def _conflict(change: Change, version: int, keys: set[tuple[str, str]]) -> Conflict | None:
    job = change.after
    if change.first_version != version + 1:
        return Conflict(f"job {job.id} was changed by another process", hint="try again")
    if change.key and (job.spec.namespace, change.key) in keys:
        return Conflict(f"a job was submitted with the idempotency key {change.key!r} before", hint="ask for that job")
    return None
