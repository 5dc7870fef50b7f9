"""
The store in one SQLite file.

WAL with full sync: a commit that returned survives the end of the process and of the machine. apsw carries its own SQLite,
because versions before 3.51.3, such as Debian 12's, can corrupt a WAL that two connections write at once. Each page has a
checksum that SQLite's own cksumvfs verifies whenever it is read: what a disk damages is an error, not another answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from threading import Lock

import apsw
import apsw.sqlite_extra

from gadus.core.errors import Bug

from .database import Row, Value
from .failures import corrupt, unavailable
from .mark import Mark, sync_directory

CHECKSUM_BYTES = 8
"""What cksumvfs keeps at the end of each page."""

_BUSY_TIMEOUT_MS = 10_000
_WAL_KEPT_BYTES = 16 << 20
_ROWS_AT_ONCE = 64
_VALUES = re.compile(r"VALUES (\(\?(?:, \?)*\))")
_SNAPSHOT_CACHE_KIB = 32 << 10
"""Who reads everything finds the parts of each job, wherever they are."""
_RESERVED_AT = 20
"""Where the header of the file says how many bytes at the end of each page are not SQLite's."""
_DAMAGE = {apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS}


class SqliteDatabase:
    """See `Database`. Made by `opening`, which has seen to the tables."""

    def __init__(self, path: Path, mark: Mark | None = None) -> None:
        self._path = path
        self._mark = mark
        self._write_lock = Lock()
        self._read_lock = Lock()
        with translated(self.where):
            self._writing = connection(path)
            self._reading = connection(path)

    @property
    def where(self) -> str:
        """See `Database.where`."""
        return str(self._path)

    @contextmanager
    def transaction(self) -> Iterator[_Connected]:
        """See `Database.transaction`."""
        with self._write_lock, translated(self.where), _transaction(self._writing):
            yield _Connected(self._writing)

    @contextmanager
    def reading(self) -> Iterator[_Connected]:
        """See `Database.reading`."""
        with self._read_lock, translated(self.where), _snapshot(self._reading):
            yield _Connected(self._reading)

    @contextmanager
    def snapshot(self) -> Iterator[_Connected]:
        """See `Database.snapshot`."""
        with translated(self.where), closing(connection(self._path)) as own, _snapshot(own):
            own.execute(f"PRAGMA cache_size = -{_SNAPSHOT_CACHE_KIB}")
            yield _Connected(own)

    def reached(self, seq: int) -> None:
        """See `Database.reached`."""
        if self._mark is not None:
            self._mark.reached(seq)

    def damage(self) -> list[str]:
        """See `Database.damage`."""
        with translated(self.where), closing(connection(self._path)) as own:
            rows = own.execute("PRAGMA integrity_check").fetchall()
        return [str(text) for (text,) in rows if text != "ok"]

    def copy_to(self, target: Path) -> None:
        """Write the database as it is now to the new file `target`, on the disk when this returns. Others go on writing."""
        with translated(self.where), closing(connection(self._path)) as own:
            own.execute("VACUUM INTO ?", (str(target),))
        with translated(str(target)):
            # SQLite does not wait for the disk here.
            with target.open("rb") as written:
                os.fsync(written.fileno())
            sync_directory(target.parent)

    def close(self) -> None:
        """See `Database.close`."""
        with self._write_lock, self._read_lock:
            self._reading.close()
            self._writing.close()
            if self._mark is not None:
                self._mark.close()


class _Connected:
    """A connection inside a transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._db.execute(sql, tuple(values)).fetchall()

    def stream(self, sql: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        return iter(self._db.execute(sql, tuple(values)))

    def run(self, sql: str, rows: Sequence[Sequence[Value]] = ((),)) -> None:
        # Each call gives up Python's lock and has to wait for it again: a busy server is slow to give it back.
        before, group, after = _around_values(sql)
        start = 0
        while group and start + 1 < len(rows):
            # Few lengths, so that there are few statements to prepare.
            number = 1 << (min(len(rows) - start, _ROWS_AT_ONCE).bit_length() - 1)
            some = rows[start : start + number]
            self._db.execute(f"{before}{', '.join([group] * number)}{after}", tuple(chain.from_iterable(some)))
            start += number
        if start < len(rows):
            self._db.executemany(sql, [tuple(row) for row in rows[start:]])


def connection(path: Path) -> apsw.Connection:
    """A connection to the file, which must be there. Raises apsw.Error."""
    loaded_checksums()
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(_BUSY_TIMEOUT_MS)
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    # A file that somebody prepared must not make SQLite run what it brings along.
    db.execute("PRAGMA trusted_schema = OFF")
    return db


def has_checksums(path: Path) -> bool:
    """Whether the pages of the file have checksums."""
    with path.open("rb") as file:
        return file.read(_RESERVED_AT + 1)[-1:] == bytes([CHECKSUM_BYTES])


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Errors of SQLite and of the disk as ours."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError) as exc:
        raise corrupt(where, exc) from exc
    except apsw.IOError as exc:
        if getattr(exc, "extendedresult", 0) in _DAMAGE:
            raise corrupt(where, "a page of it is not what was written") from exc
        raise unavailable(where, exc) from exc
    except apsw.TooBigError as exc:
        raise Bug(f"a value that SQLite does not take: {exc}") from exc
    except (apsw.Error, OSError) as exc:
        raise unavailable(where, exc) from exc


@contextmanager
def _transaction(db: apsw.Connection) -> Iterator[None]:
    # IMMEDIATE: the write lock comes first, so the version read inside is still true at the commit.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # After some errors SQLite has rolled back already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def _snapshot(db: apsw.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


@lru_cache(maxsize=64)
def _around_values(sql: str) -> tuple[str, str, str]:
    """A statement that adds a row, split around the placeholders of its values; nothing but the text for another."""
    found = _VALUES.search(sql)
    return (sql[: found.start(1)], found[1], sql[found.end(1) :]) if found else (sql, "", "")


@cache
def loaded_checksums() -> bool:
    """Have SQLite verify and write checksums of pages from now on, in every connection; whether it can."""
    with closing(apsw.Connection(":memory:")) as db:
        try:
            apsw.sqlite_extra.load(db, "cksumvfs")
        except (apsw.sqlite_extra.NotAvailable, apsw.ExtensionLoadingError):
            return False
    return True
