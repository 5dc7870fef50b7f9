"""
The job store: an append-only log of events in SQLite, and each job as folded from it.

    events(job_id, version, at, event)     the truth
    jobs(id, version, …, job)              the fold of it, for reading

WAL with full sync: an append that returned survives the end of the process and of the machine. apsw carries its own SQLite,
because versions before 3.51.3, such as Debian 12's, can corrupt a WAL that two connections write at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import apsw
from pydantic import TypeAdapter

from gadus.core.errors import Conflict, NotFound, StorageUnavailable
from gadus.core.job import Event, Job

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE events (
    job_id TEXT NOT NULL, version INTEGER NOT NULL, at REAL NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (job_id, version)
) WITHOUT ROWID, STRICT;
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, name TEXT NOT NULL, namespace TEXT NOT NULL,
    state TEXT NOT NULL, created_at REAL NOT NULL, job TEXT NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX jobs_by_creation ON jobs (created_at);
CREATE INDEX jobs_by_name ON jobs (name);
"""
_BUSY_TIMEOUT_MS = 10_000
_CANDIDATES_SHOWN = 5
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Store:
    """Jobs and their events in one file. Several processes may have the same file open."""

    def __init__(self, path: Path) -> None:
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path = path
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(_BUSY_TIMEOUT_MS)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._make_schema()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def append(self, job: Job, event: Event) -> None:
        """
        Remember `event`, and `job` as what it led to: both or neither, durable when this returns.

        Raises Conflict unless ``job.version`` is the next one: somebody else changed the job in between.
        """
        with _translated(self._path), self._transaction():
            held = self._db.execute("SELECT version FROM jobs WHERE id = ?", (job.id,)).fetchone()
            if (held[0] if held else 0) != job.version - 1:
                raise Conflict(f"job {job.id} was changed by another process", hint="try again")
            self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (job.id, job.version, event.at, event.model_dump_json()))
            self._db.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    job.id,
                    job.version,
                    job.spec.name,
                    job.spec.namespace,
                    job.state.value,
                    job.created_at,
                    job.model_dump_json(),
                ),
            )

    def get(self, job_id: str) -> Job:
        """The job with exactly this id. Raises NotFound."""
        jobs = self._jobs("WHERE id = ?", (job_id,))
        if not jobs:
            raise NotFound(f"job not found: {job_id}", hint="`gadus job list` shows the jobs there are")
        return jobs[0]

    def find(self, text: str) -> Job:
        """
        The one job with this id, this leading part of its id, or this name.

        Raises NotFound, or Conflict that lists the candidates.
        """
        by_id = self._jobs("WHERE substr(id, 1, ?) = ? ORDER BY created_at DESC LIMIT 6", (len(text), text)) if text else []
        exact = [job for job in by_id if job.id == text]
        found = exact or by_id or self._jobs("WHERE name = ? ORDER BY created_at DESC LIMIT 6", (text,))
        if not found:
            raise NotFound(f"job not found: {text}", hint="`gadus job list` shows the jobs there are")
        if len(found) > 1:
            names = ", ".join(job.id for job in found[:_CANDIDATES_SHOWN]) + (" …" if len(found) > _CANDIDATES_SHOWN else "")
            raise Conflict(f"multiple jobs found for {text!r}: {names}", hint="give more of the id")
        return found[0]

    def page(self, *, limit: int, offset: int, newest_first: bool) -> Sequence[Job]:
        """Jobs by the time of their creation."""
        order = "DESC" if newest_first else "ASC"
        return self._jobs(f"ORDER BY created_at {order}, id LIMIT ? OFFSET ?", (limit, offset))

    def unfinished(self) -> Sequence[Job]:
        """Every job that has not ended, oldest first."""
        return self._jobs("WHERE state IN ('queued', 'running') ORDER BY created_at", ())

    def events(self, job_id: str) -> Sequence[Event]:
        """All that happened to a job, in order."""
        with _translated(self._path):
            rows = self._db.execute("SELECT event FROM events WHERE job_id = ? ORDER BY version", (job_id,)).fetchall()
        return [_EVENT.validate_json(str(row[0])) for row in rows]

    def _jobs(self, clause: str, values: tuple[str | int, ...]) -> list[Job]:
        with _translated(self._path):
            # The clause is one of the constants above; what callers give is always bound.
            rows = self._db.execute(f"SELECT job FROM jobs {clause}", values).fetchall()  # noqa: S608
        return [Job.model_validate_json(str(row[0])) for row in rows]

    def _make_schema(self) -> None:
        with self._transaction():
            found = self._db.pragma("user_version")
            if found == 0:
                self._db.execute(_SCHEMA)
                self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif found != _SCHEMA_VERSION:
                raise StorageUnavailable(
                    f"{self._path} was written by another version of Gadus (schema {found}, this one knows {_SCHEMA_VERSION})",
                    hint="use that version, or another directory with --data-dir",
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # IMMEDIATE: the write lock comes first, so the version read inside is still true at the commit.
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, OSError) as exc:
        raise StorageUnavailable(
            f"the job store {path} cannot be used: {exc}",
            hint="check that the directory is writable and has space, or choose another with --data-dir",
        ) from exc
