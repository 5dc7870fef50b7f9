"""Opens the store in a file: makes it, brings it to the present schema, and never takes a lost one for a new one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import apsw

from gadus.core.errors import StorageUnavailable

from .database import Snapshot
from .failures import corrupt, unavailable
from .mark import Mark, Told
from .rows import event_of
from .sqlite import CHECKSUM_BYTES, SqliteDatabase, connection, has_checksums, loaded_checksums, translated
from .tables import SCHEMA_VERSION, SQLITE
from .upgrade import add_indexes, upgrade


def open_sqlite(path: Path) -> SqliteDatabase:
    """The store in the file `path`, made when it is not there. Raises StorageUnavailable, StoreCorrupt."""
    with translated(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = Mark.shared(path)
    try:
        with translated(str(path)):
            told = mark.told()
            _refuse_a_lost_one(path, mark, told)
            prepare(path)
        database = SqliteDatabase(path, mark)
        _compare_with_the_mark(path, mark, told, database)
    except BaseException:
        mark.close()
        raise
    return database


def prepare(path: Path) -> None:
    """Have the tables there, of the present schema, in a file that only its owner can read. Raises apsw.Error too."""
    with _alone(path.parent):
        # Not by SQLite: it would be readable for others at first.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        is_new = path.stat().st_size == 0
        if not is_new and has_checksums(path) and not loaded_checksums():
            raise unavailable(str(path), "this installation of apsw cannot keep its checksums right: install apsw from PyPI")
        with closing(connection(path)) as db:
            if is_new and loaded_checksums():
                db.reserve_bytes("main", CHECKSUM_BYTES)
            if db.pragma("journal_mode", "WAL") != "wal":
                raise unavailable(str(path), "its file system cannot share a write-ahead log")
            version = db.pragma("user_version")
            if version == 1:
                upgrade(path, db)
            elif version == 0:
                _make_tables(path, db)
            elif version != SCHEMA_VERSION:
                raise StorageUnavailable(
                    f"{path} was written by another version of Gadus (schema {version}, this one knows {SCHEMA_VERSION})",
                    hint="use that version, or another directory with --data-dir",
                )
            add_indexes(db)


def told_by(where: str, snapshot: Snapshot) -> Told:
    """What the mark of such a store would say."""
    rows = snapshot.rows("SELECT value, (SELECT coalesce(max(seq), 0) FROM events) FROM store WHERE name = 'id'")
    if len(rows) != 1:
        raise corrupt(where, "it does not know its own id")
    return Told(*rows[0])


def _refuse_a_lost_one(path: Path, mark: Mark, told: Told) -> None:
    if path.exists() and path.stat().st_size > 0:
        return
    log = path.with_name(path.name + "-wal")
    if told.store_id:
        raise corrupt(str(path), f"it is gone or empty, and had {told.seq} events", hint=_way_out(mark))
    if log.exists() and log.stat().st_size > 0:
        raise corrupt(str(path), f"it is gone or empty, and {log.name} has what was written last", hint=_way_out(mark))


def _make_tables(path: Path, db: apsw.Connection) -> None:
    if db.execute("SELECT 1 FROM sqlite_schema").fetchall():
        raise unavailable(str(path), "it is a database of something else")
    with db:
        db.execute(SQLITE)
        db.execute("INSERT INTO store VALUES ('id', ?), ('page_checksums', ?)", (uuid4().hex, str(int(loaded_checksums()))))
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _compare_with_the_mark(path: Path, mark: Mark, told: Told, database: SqliteDatabase) -> None:
    with database.reading() as snapshot:
        found = told_by(str(path), snapshot)
        facts: dict[str, str] = dict(snapshot.rows("SELECT name, value FROM store"))
        query = "SELECT job_id, version, event, checksum FROM events WHERE seq = ?"
        for job_id, version, text, checksum in snapshot.rows(query, (found.seq,)):
            event_of(str(path), job_id, version, text, checksum)
    if facts.get("page_checksums") == "1" and not has_checksums(path):
        raise corrupt(str(path), "its header is not what was written")
    if told.store_id and told.store_id != found.store_id:
        raise corrupt(str(path), "it is another store than the one that was here", hint=_way_out(mark))
    if found.seq < told.seq:
        lost = told.seq - found.seq
        raise corrupt(str(path), f"the last {lost} of its {told.seq} events are missing", hint=_way_out(mark))
    if not told.store_id:
        mark.write(found)


def _way_out(mark: Mark) -> str:
    return (
        "put its files back if somebody moved them (also the one that ends in -wal), or a backup with "
        f"`gadus store restore FILE --replace`; only if it is to be used as it is: remove {mark.path}"
    )


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process at a time makes or changes tables in `directory`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
