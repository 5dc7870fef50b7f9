"""Puts a backup in the place of a store: checked first, and what was there is kept aside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import apsw

from gadus.core.errors import Conflict, NotFound

from .backup import copy_rows, file_beside
from .checking import Checked, Told, check_database
from .failures import corrupt
from .mark import Mark, sync_directory
from .opening import file_of
from .sqlite import SqliteDatabase, connection, loaded_checksums, translated
from .sqlite_opening import prepare, told_by


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored; `aside` is where the store that was there before is now, empty when there was none."""

    jobs: int
    events: int
    aside: str


def restore(file: Path, where: Path | str, *, replace: bool = False, told: Told = lambda _done, _all: None) -> Restored:
    """
    Make the store at `where` that of the backup `file`, or of a store's own file.

    Raises NotFound without such a file, StoreCorrupt when it is damaged, Conflict when the store is in use, or has jobs and
    is not to be replaced: then nothing was changed. Also StorageUnavailable.
    """
    if not file.is_file():
        raise NotFound(f"there is no file {file}", hint="give a file that `gadus store backup` wrote")
    path = file_of(where)
    if path is None:
        return _to_server(file, str(where), told, replace=replace)
    return _to_file(file, path, told, replace=replace)


def _to_file(file: Path, path: Path, told: Told, *, replace: bool) -> Restored:
    with translated(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark = Mark.exclusive(path)
    try:
        with translated(str(path)):
            if not replace and _has_jobs(path):
                raise _has_jobs_already(str(path))
            with file_beside(path) as partial:
                checked = _checked_copy(file, partial, told)
                with _opened(partial) as database, database.reading() as snapshot:
                    says = told_by(database.where, snapshot)
                aside = _set_aside(path)
                partial.rename(path)
                sync_directory(path.parent)
            mark.write(says)
    finally:
        mark.close()
    return Restored(checked.jobs, checked.events, str(aside) if aside else "")


def _to_server(file: Path, url: str, told: Told, *, replace: bool) -> Restored:
    # Not needed by those who have a file: its driver is an extra.
    from .postgres import PostgresDatabase  # noqa: PLC0415

    server = PostgresDatabase(url)
    aside = f"gadus_before_{_now()}"
    with TemporaryDirectory() as directory, file_beside(Path(directory) / "backup") as partial:
        checked = _checked_copy(file, partial, told)
        with server.replacing(aside=aside) as (transaction, had_jobs):
            if had_jobs and not replace:
                raise _has_jobs_already(server.where)
            with _opened(partial) as database, database.snapshot() as snapshot:
                copy_rows(snapshot, transaction)
    return Restored(checked.jobs, checked.events, f"schema {aside}" if had_jobs else "")


def _checked_copy(file: Path, copy: Path, told: Told) -> Checked:
    """Make `copy`, which is empty, a copy of the backup; the backup itself is not written to."""
    loaded_checksums()
    log = file.with_name(file.name + "-wal")
    # A file without a log is all there is to read, on a read-only disk too.
    whole = "" if log.exists() and log.stat().st_size else "&immutable=1"
    with translated(str(file)):
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        with closing(apsw.Connection(f"file:{quote(str(file.absolute()))}?mode=ro{whole}", flags=flags)) as source:
            source.execute("VACUUM INTO ?", (str(copy),))
        if copy.stat().st_size == 0 or not _has_events_table(copy):
            raise corrupt(str(file), "it is no job store", hint="give a file that `gadus store backup` wrote")
        prepare(copy)
    with _opened(copy) as database:
        checked = check_database(database, told)
    if checked.damaged:
        raise corrupt(str(file), f"{checked.problems[0]} ({checked.damaged} in all)", hint="restore another backup")
    return checked


def _has_events_table(path: Path) -> bool:
    with closing(connection(path)) as db:
        return bool(db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'events'").fetchall())


def _has_jobs(path: Path) -> bool:
    """Whether there is anything at the path that somebody might miss."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    try:
        with closing(connection(path)) as db:
            return bool(db.execute("SELECT 1 FROM events LIMIT 1").fetchall())
    except apsw.Error:
        # Whatever it is, it is not empty.
        return True


def _set_aside(path: Path) -> Path | None:
    """Keep what is at the path under another name, with its log; None when there was nothing."""
    aside = path.with_name(f"{path.name}.before-{_now()}")
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        log.rename(aside.with_name(aside.name + "-wal"))
    if not path.exists():
        return None
    path.rename(aside)
    return aside


@contextmanager
def _opened(path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(path)
    try:
        yield database
    finally:
        database.close()


def _has_jobs_already(where: str) -> Conflict:
    return Conflict(f"the job store {where} has jobs already", hint="--replace puts the backup in its place and keeps it aside")


def _now() -> str:
    return time.strftime("%Y%m%d_%H%M%S", time.gmtime())
