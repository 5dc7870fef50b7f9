"""
Adds the indexes that a store of the present schema lacks, as it was made before they were thought of.

Takes over a store of schema 1, in one transaction, after a copy was made.

Its events are kept, in the form that they have now. The rules by which they were folded are not those of today: executions
had other ids, under which their results are kept. So jobs stand as they were, and no one folds them anew. All of them were
attended: those that have not ended are ended by whoever looks after the abandoned.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw

from gadus.core.job import Job

from .parts import changes_of
from .rows import checksum, job_row, parsed
from .sqlite import CHECKSUM_BYTES, has_checksums, loaded_checksums
from .tables import SCHEMA_VERSION, SQLITE, insert, missing_indexes

_ASIDE = """
DROP INDEX jobs_by_creation;
DROP INDEX jobs_by_name;
ALTER TABLE jobs RENAME TO jobs_1;
ALTER TABLE events RENAME TO events_1;
"""
_OVER = f"""
DROP TABLE jobs_1;
DROP TABLE events_1;
PRAGMA user_version = {SCHEMA_VERSION};
"""


def add_indexes(db: apsw.Connection) -> None:
    """Have all indexes in the open file; a large store takes some seconds for each that it lacks, once. Raises apsw.Error."""
    names = [str(name) for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")]
    for statement in missing_indexes(names):
        db.execute(statement)


def copy_of(path: Path) -> Path:
    """Where the copy of a store of schema 1 is kept."""
    return path.with_name(path.name + ".schema-1")


def upgrade(path: Path, db: apsw.Connection) -> None:
    """Bring the open file to the present schema. Raises apsw.Error, StoreCorrupt: then it is as it was."""
    copy = copy_of(path)
    copy.unlink(missing_ok=True)
    db.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
    with copy.open("rb") as written:
        os.fsync(written.fileno())
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.pragma("user_version") == 1:
            _convert(path, db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    # Where another process has the file open its pages stay without checksums; rows have theirs.
    with suppress(apsw.BusyError, apsw.LockedError):
        _give_pages_checksums(path, db)


def _convert(path: Path, db: apsw.Connection) -> None:
    db.execute(_ASIDE)
    db.execute(SQLITE)
    db.execute("INSERT INTO store VALUES ('id', ?), ('page_checksums', '0')", (uuid4().hex,))
    events = db.execute("SELECT job_id, version, at, event FROM events_1 ORDER BY at, job_id, version")
    for seq, (job_id, version, at, text) in enumerate(events, 1):
        event = _event(text)
        db.execute(insert("events"), (seq, job_id, version, at, event, checksum(job_id, version, event)))
    for (text,) in db.execute("SELECT job FROM jobs_1 ORDER BY created_at, id"):
        job = _job(str(path), text)
        db.execute(insert("jobs"), job_row(job, lambda _: "", lambda _: None, folded=False))
        db.executemany(insert("parts"), [row for row in changes_of(None, job).values() if row is not None])
    db.execute(_OVER)


def _event(text: str) -> str:
    event: dict[str, Any] = json.loads(text)
    if event["kind"] != "placed":
        return text
    del event["index"]
    return json.dumps(event, separators=(",", ":"))


def _job(where: str, text: str) -> Job:
    job: dict[str, Any] = json.loads(text)
    attempts: dict[int, int] = {}
    for execution in job["executions"]:
        execution["attempt"] = attempts.get(execution["index"], 0)
        attempts[execution["index"]] = execution["attempt"] + 1
        execution["stopping"] = execution["state"] == "running" and job["state"] not in ("queued", "running")
    changes = {"begun_at": job["created_at"], "attended": True}
    return parsed(Job, where, f"job {job['id']}", json.dumps(job | changes))


def _give_pages_checksums(path: Path, db: apsw.Connection) -> None:
    if not loaded_checksums():
        return
    db.set_busy_timeout(0)
    db.pragma("journal_mode", "DELETE")
    try:
        db.reserve_bytes("main", CHECKSUM_BYTES)
        db.execute("VACUUM")
    finally:
        db.pragma("journal_mode", "WAL")
    if has_checksums(path):
        db.execute("UPDATE store SET value = '1' WHERE name = 'page_checksums'")
