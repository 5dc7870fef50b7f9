"""Which executions and vacancies of a job a change adds, alters or takes away: their rows, and no others, are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from operator import is_

from gadus.core.job import Execution, Job, Vacancy

from .database import Transaction, Value
from .rows import LISTS, part_row
from .tables import upsert

Part = Execution | Vacancy
Key = tuple[str, str, str]
"""Job id, kind, id: what a row of parts is known by."""
Changes = dict[Key, tuple[Value, ...] | None]
"""What becomes of a part: its row, without a position when it stays where it is, or None when it is gone."""

_POSITION = 3
_POSITIONS = 1 << 20
"""More than a job can have parts: positions of a later version come after all of an earlier one."""


def changes_of(before: Job | None, after: Job) -> Changes:
    """
    What becomes of each part that is not as it was.

    Values are compared by identity: `after` was made of `before`, and what did not change is the same object in both.
    """
    changes: Changes = {}
    for kind in LISTS:
        _compare(after, kind, getattr(before, kind) if before else (), getattr(after, kind), changes)
    return changes


def add(changes: Changes, later: Changes) -> None:
    """Make `changes` those that both bring about, one after the other."""
    for key, row in later.items():
        earlier = changes.get(key)
        if row is not None and row[_POSITION] is None and earlier is not None:
            changes[key] = (*row[:_POSITION], earlier[_POSITION], *row[_POSITION + 1 :])
        else:
            changes[key] = row


def write(transaction: Transaction, changes: Mapping[Key, tuple[Value, ...] | None]) -> None:
    """Bring the rows of parts to what they are now."""
    gone = [key for key, row in changes.items() if row is None]
    rows = [row for row in changes.values() if row is not None]
    altered = [(*row[_POSITION + 1 :], *row[:_POSITION]) for row in rows if row[_POSITION] is None]
    transaction.run("DELETE FROM parts WHERE job_id = ? AND kind = ? AND id = ?", gone)
    transaction.run("UPDATE parts SET part = ?, checksum = ? WHERE job_id = ? AND kind = ? AND id = ?", altered)
    transaction.run(upsert("parts", "job_id", "kind", "id"), [row for row in rows if row[_POSITION] is not None])


def _compare(job: Job, kind: str, old: Sequence[Part], new: Sequence[Part], changes: Changes) -> None:
    if old is new:
        return
    same = _same_at_front(old, new)
    old, new = old[same:], new[same:]
    tail = _same_at_front(old[::-1], new[::-1])
    middle, end = new[: len(new) - tail], new[len(new) - tail :]
    known = {part.id: part for part in old[: len(old) - tail]}
    kept = [part.id for part in middle if part.id in known]
    new_ids = {part.id for part in middle}
    changes |= {(job.id, kind, part_id): None for part_id in known.keys() - new_ids}
    # Rows keep their places when those that stay are in the order in which they were, before all that are new.
    fresh = len(middle) - len(kept)
    in_order = kept == [part.id for part in middle[: len(kept)]] and kept == [one for one in known if one in new_ids]
    in_place = in_order and not (fresh and end)
    positions = count(job.version * _POSITIONS)
    for part in middle if in_place else (*middle, *end):
        if not in_place or part.id not in known:
            changes[job.id, kind, part.id] = part_row(job.id, part, next(positions))
        elif known[part.id] is not part:
            changes[job.id, kind, part.id] = part_row(job.id, part, None)


def _same_at_front(left: Sequence[Part], right: Sequence[Part]) -> int:
    same = list(map(is_, left, right))
    return same.index(False) if False in same else len(same)
