"""Checks a store from end to end: its structure, every checksum, and that each job is what its events make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gadus.core.errors import GadusError, StorageUnavailable, StoreCorrupt
from gadus.core.job import Job
from gadus.core.lifecycle import decide

from .database import Database, Snapshot
from .finding import whole
from .opening import open_existing
from .rows import event_of, job_row
from .tables import COLUMNS, select

Told = Callable[[int, int], None]
"""Told of the jobs that were checked, and how many there are."""

_FACTS = tuple(column for column in COLUMNS["jobs"] if column not in ("needs", "deadline", "checksum"))
"""What a job's row must say. Needs and deadline are as whoever wrote it told them."""
_PROBLEMS_KEPT = 100
_TOLD_EVERY = 500
_ORPHANS = (
    ("events", "SELECT DISTINCT t.job_id FROM events t LEFT JOIN jobs j ON j.id = t.job_id WHERE j.id IS NULL"),
    ("executions or vacancies", "SELECT DISTINCT t.job_id FROM parts t LEFT JOIN jobs j ON j.id = t.job_id WHERE j.id IS NULL"),
    ("an idempotency key", "SELECT t.job_id FROM submissions t LEFT JOIN jobs j ON j.id = t.job_id WHERE j.id IS NULL"),
)


@dataclass(slots=True)
class Checked:
    """
    What a check saw. `taken_over` jobs come from a version with other rules: their events were verified, but not folded.

    `problems` has the first of `damaged`, in words.
    """

    jobs: int = 0
    events: int = 0
    taken_over: int = 0
    damaged: int = 0
    problems: list[str] = field(default_factory=list)

    def found(self, problem: str) -> None:
        """One more problem."""
        self.damaged += 1
        if len(self.problems) < _PROBLEMS_KEPT:
            self.problems.append(problem)


def check(where: Path | str, told: Told = lambda _done, _all: None) -> Checked:
    """
    Read all of the store at `where`; a server may go on with it.

    Damage is in what it returns, also when the store does not open for it. Raises NotFound, StorageUnavailable.
    """
    try:
        database = open_existing(where)
    except StoreCorrupt as error:
        checked = Checked()
        checked.found(error.message)
        return checked
    try:
        return check_database(database, told)
    finally:
        database.close()


def check_database(database: Database, told: Told = lambda _done, _all: None) -> Checked:
    """The same for one that is open."""
    checked = Checked()
    try:
        for problem in database.damage():
            checked.found(f"structure: {problem}")
        with database.snapshot() as snapshot:
            for problem in _strays(snapshot):
                checked.found(problem)
            _check_jobs(database.where, snapshot, checked, told)
    except StoreCorrupt as error:
        # Where the next job is cannot be read any more.
        checked.found(error.message)
    return checked


def _strays(snapshot: Snapshot) -> Iterator[str]:
    ((events, first, last),) = snapshot.rows("SELECT count(*), coalesce(min(seq), 1), coalesce(max(seq), 0) FROM events")
    if events != last - first + 1:
        yield f"{last - first + 1 - events} of the events {first} to {last} are missing"
    for what, query in _ORPHANS:
        for (job_id,) in snapshot.rows(query):
            yield f"there are {what} of job {job_id}, but no such job"


def _check_jobs(where: str, snapshot: Snapshot, checked: Checked, told: Told) -> None:
    ((count,),) = snapshot.rows("SELECT count(*) FROM jobs")
    for job_id, folded in snapshot.stream("SELECT id, folded FROM jobs ORDER BY id"):
        try:
            for problem in _problems_of(where, snapshot, job_id, checked, folded=bool(folded)):
                checked.found(problem)
        except StorageUnavailable:
            raise
        except GadusError as error:
            checked.found(f"job {job_id}: {error.message}")
        checked.jobs += 1
        if checked.jobs % _TOLD_EVERY == 0:
            told(checked.jobs, count)
    told(checked.jobs, count)


def _problems_of(where: str, snapshot: Snapshot, job_id: str, checked: Checked, *, folded: bool) -> Iterator[str]:
    (stored,) = whole(where, snapshot, [job_id])
    made: Job | None = None
    last = 0
    query = "SELECT version, event, checksum FROM events WHERE job_id = ? ORDER BY version"
    for version, text, found in snapshot.rows(query, (job_id,)):
        event = event_of(where, job_id, version, text, found)
        checked.events += 1
        last += 1
        if version != last:
            yield f"job {job_id}: event {last} is missing"
            return
        if folded:
            made, _ = decide(made, event)
    if last != stored.version:
        yield f"job {job_id}: it is at version {stored.version} and has {last} events"
    elif not folded:
        checked.taken_over += 1
    elif made is None or made != stored or _facts(made) != _facts_of_row(snapshot, job_id):
        yield f"job {job_id}: it is not what its events make of it"


def _facts(job: Job) -> tuple[object, ...]:
    row = dict(zip(COLUMNS["jobs"], job_row(job, lambda _: "", lambda _: None), strict=True))
    return tuple(row[column] for column in _FACTS)


def _facts_of_row(snapshot: Snapshot, job_id: str) -> tuple[object, ...]:
    row = dict(zip(COLUMNS["jobs"], snapshot.rows(select("jobs", "WHERE id = ?"), (job_id,))[0], strict=True))
    return tuple(row[column] for column in _FACTS)
