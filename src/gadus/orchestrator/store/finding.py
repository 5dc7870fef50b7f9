"""Jobs by id, by the beginning of an id, and by name."""

from __future__ import annotations

from collections.abc import Sequence

from gadus.core.errors import Conflict, GadusError, NotFound
from gadus.core.job import Job

from .database import Snapshot, placeholders
from .failures import corrupt
from .rows import job_of
from .tables import select

_CANDIDATES_SHOWN = 5
_JOBS_AT_ONCE = 500


def whole(where: str, snapshot: Snapshot, ids: Sequence[str]) -> list[Job]:
    """Those of the jobs that there are, with all that belongs to them, in the order of `ids`."""
    jobs: dict[str, Job] = {}
    for start in range(0, len(ids), _JOBS_AT_ONCE):
        some = ids[start : start + _JOBS_AT_ONCE]
        wanted = placeholders(len(some))
        parts: dict[str, list[tuple[object, ...]]] = {}
        for row in snapshot.rows(select("parts", f"WHERE job_id IN ({wanted}) ORDER BY job_id, kind, position"), some):
            parts.setdefault(row[0], []).append(row)
        for row in snapshot.rows(select("jobs", f"WHERE id IN ({wanted})"), some):
            jobs[row[0]] = job_of(where, row, parts.get(row[0], []))
    return [jobs[job_id] for job_id in ids if job_id in jobs]


def get(where: str, snapshot: Snapshot, job_id: str) -> Job:
    """See `Store.get`."""
    jobs = whole(where, snapshot, [job_id]) if _can_be_asked(job_id) else []
    if not jobs:
        raise _missing(where, snapshot, job_id)
    return jobs[0]


def version_of(where: str, snapshot: Snapshot, job_id: str) -> int:
    """The version of a job. Raises NotFound."""
    rows = snapshot.rows("SELECT version FROM jobs WHERE id = ?", (job_id,)) if _can_be_asked(job_id) else []
    if not rows:
        raise _missing(where, snapshot, job_id)
    return int(rows[0][0])


def find(where: str, snapshot: Snapshot, text: str, namespaces: frozenset[str] | None) -> Job:
    """See `Store.find`."""
    if not text or not _can_be_asked(text):
        raise _no_such(text)
    inside, more = inside_of(namespaces)
    inside = f"AND {inside}"
    exact = snapshot.rows(f"SELECT id FROM jobs WHERE id = ? {inside}", (text, *more))  # noqa: S608 - bound
    beginning = exact or snapshot.rows(
        f"SELECT id FROM jobs WHERE id >= ? AND id < ? {inside} ORDER BY id LIMIT {_CANDIDATES_SHOWN + 1}",  # noqa: S608 - bound
        (text, text + "\U0010ffff", *more),
    )
    found = beginning or snapshot.rows(
        f"SELECT id FROM jobs WHERE name = ? {inside} ORDER BY created_at DESC, id LIMIT 1",  # noqa: S608 - bound
        (text, *more),
    )
    if not found:
        raise _no_such(text)
    if len(found) > 1:
        names = ", ".join(job_id for (job_id,) in found[:_CANDIDATES_SHOWN])
        raise Conflict(
            f"multiple jobs found for {text!r}: {names}{' …' if len(found) > _CANDIDATES_SHOWN else ''}",
            hint="give more of the id",
        )
    return whole(where, snapshot, [found[0][0]])[0]


def inside_of(namespaces: frozenset[str] | None) -> tuple[str, tuple[str, ...]]:
    """The condition that a job is of these namespaces, and its values."""
    if namespaces is None:
        return "1 = 1", ()
    # None of them: not a job.
    asked = tuple(sorted(one for one in namespaces if _can_be_asked(one)))
    return (f"namespace IN ({placeholders(len(asked))})", asked) if asked else ("1 = 0", ())


def latest_named(where: str, snapshot: Snapshot, namespace: str, name: str) -> Job | None:
    """See `Store.latest_named`."""
    query = "SELECT id FROM jobs WHERE name = ? AND namespace = ? ORDER BY created_at DESC, id LIMIT 1"
    found = snapshot.rows(query, (name, namespace)) if _can_be_asked(name) else []
    return whole(where, snapshot, [found[0][0]])[0] if found else None


def _missing(where: str, snapshot: Snapshot, job_id: str) -> GadusError:
    """What to raise for a job without a row: its events are looked up by another index."""
    if _can_be_asked(job_id) and snapshot.rows("SELECT 1 FROM events WHERE job_id = ? LIMIT 1", (job_id,)):
        return corrupt(where, f"job {job_id} has events and is not there itself")
    return _no_such(job_id)


def _can_be_asked(text: str) -> bool:
    """No name has what a database cannot take: a null character, half of a surrogate pair."""
    return "\0" not in text and text.encode(errors="replace").decode() == text


def _no_such(text: str) -> NotFound:
    return NotFound(f"job not found: {text}", hint="`gadus job list` shows the jobs there are")
