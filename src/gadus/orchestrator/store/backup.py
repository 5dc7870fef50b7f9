"""
Backups: a store as one SQLite file, whatever database it came from.

A backup is the store at one moment; others go on writing meanwhile. It can be restored to a file and to a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import uuid4

from gadus.core.errors import Conflict

from .database import Database, Snapshot, Transaction
from .mark import sync_directory
from .opening import open_existing
from .sqlite import SqliteDatabase, connection, translated
from .sqlite_opening import prepare
from .tables import COLUMNS, insert, select

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup has."""

    jobs: int
    events: int
    size_bytes: int


def backup(where: Path | str, target: Path) -> Saved:
    """
    Write the store at `where` to the new file `target`, which is whole and on the disk when this returns.

    On any other exit there is no such file. Raises Conflict when there is one, NotFound, StorageUnavailable,
    StoreCorrupt.
    """
    if target.exists():
        raise Conflict(f"{target} is there already", hint="choose another name, or remove it first")
    source = open_existing(where)
    try:
        with translated(str(target)), file_beside(target) as partial:
            _copy(source, partial)
            saved = _counted(partial)
            partial.rename(target)
            sync_directory(target.parent)
            return saved
    finally:
        source.close()


@contextmanager
def file_beside(target: Path) -> Iterator[Path]:
    """A new, empty file in the directory of `target`, only for its owner; what is left of it at the end is removed."""
    partial = target.with_name(f"{target.name}.partial-{uuid4().hex}")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield partial
    finally:
        for name in ("", "-wal", "-shm", "-journal", ".schema-1"):
            partial.with_name(partial.name + name).unlink(missing_ok=True)


def copy_rows(source: Snapshot, target: Transaction) -> None:
    """Write all that one store has to the empty tables of another, its id included."""
    for table in COLUMNS:
        rows = source.stream(select(table))
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            target.run(insert(table), some)
    ((store_id,),) = source.rows("SELECT value FROM store WHERE name = 'id'")
    target.run("UPDATE store SET value = ? WHERE name = 'id'", ((store_id,),))


def _copy(source: Database, partial: Path) -> None:
    if isinstance(source, SqliteDatabase):
        source.copy_to(partial)
        return
    prepare(partial)
    target = SqliteDatabase(partial)
    try:
        with source.snapshot() as snapshot, target.transaction() as transaction:
            copy_rows(snapshot, transaction)
    finally:
        target.close()
    # One file, without a log beside it.
    db = connection(partial)
    db.pragma("journal_mode", "DELETE")
    db.close()
    with partial.open("rb") as written:
        os.fsync(written.fileno())


def _counted(path: Path) -> Saved:
    db = connection(path)
    ((jobs, events),) = db.execute("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM events)").fetchall()
    db.close()
    return Saved(int(str(jobs)), int(str(events)), path.stat().st_size)
