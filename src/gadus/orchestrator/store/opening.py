"""Opens a store, by the path of its file or the URL of its database."""

from __future__ import annotations

from pathlib import Path

from gadus.core.errors import NotFound, Rejected
from gadus.core.job import Job
from gadus.core.spec import JobSpec

from .database import Database
from .log import EventLog
from .mark import mark_of
from .rows import Deadline, Needs
from .sqlite_opening import open_sqlite

_POSTGRES = ("postgresql://", "postgres://")
_SQLITE = "sqlite:///"


def _no_needs(_: JobSpec) -> str:
    return ""


def _no_deadline(_: Job) -> float | None:
    return None


def open_store(where: Path | str, *, needs: Needs = _no_needs, deadline: Deadline = _no_deadline) -> EventLog:
    """
    The store at `where`: a file (``sqlite:///path`` is one, too), or ``postgresql://user@host/database``.

    It is made when it is not there. `needs` and `deadline` give what `Store.waiting` tells of a job; they are asked when a
    job is appended. Raises StorageUnavailable, StoreCorrupt, and Rejected for another kind of URL.
    """
    return EventLog(open_database(where), needs, deadline)


def open_database(where: Path | str) -> Database:
    """The database of the store at `where`, ready for use."""
    path = file_of(where)
    if path is not None:
        return open_sqlite(path)
    # Not needed by those who have a file: its driver is an extra.
    from .postgres import open_postgres  # noqa: PLC0415

    return open_postgres(str(where))


def open_existing(where: Path | str) -> Database:
    """The same for a store that must be there: a wrong path is no empty store. Raises NotFound."""
    path = file_of(where)
    if path is not None and not path.exists() and not mark_of(path).exists():
        raise NotFound(f"there is no job store {path}", hint="give its directory with --data-dir, or its file with --store")
    return open_database(where)


def file_of(where: Path | str) -> Path | None:
    """The file that `where` means; None when it is the URL of a server. Raises Rejected for a URL of another kind."""
    text = str(where)
    if isinstance(where, Path) or "://" not in text:
        return Path(where)
    if text.startswith(_SQLITE):
        return Path("/" + text.removeprefix(_SQLITE).removeprefix("/"))
    if text.startswith(_POSTGRES):
        return None
    raise Rejected(
        f"a job store cannot be at a URL that begins with {text.partition('://')[0]}://",
        hint="use the path of a file, sqlite:///path/of/file, or postgresql://user@host/database",
    )
