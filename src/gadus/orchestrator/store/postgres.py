"""
The store in a PostgreSQL database: the tables of `tables`, in the schema `gadus`.

Writers of all processes take turns by an advisory lock, so that the numbers of events have no gaps and come in the order in
which they can be seen. The driver is an extra, and only loaded when a store is in PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from threading import Lock
from typing import Any
from uuid import uuid4

from gadus.core.errors import Bug, Conflict, StorageUnavailable

from .database import Row, Value
from .failures import corrupt, unavailable
from .tables import POSTGRES, SCHEMA_VERSION, missing_indexes

try:
    import psycopg
except ImportError as exc:
    raise StorageUnavailable(
        "a job store in PostgreSQL needs the driver psycopg, which is not installed",
        hint="pip install 'gadus[postgres]'",
    ) from exc

SCHEMA = "gadus"
_WRITING = 0x6761_6475_7301
"""The advisory lock of whoever writes."""
_IN_USE = 0x6761_6475_7302
"""The advisory lock that all who use the store share."""
_CONNECT_SECONDS = 10
_ROWS_AT_ONCE = 2000
_DAMAGE = {"XX001", "XX002"}
_Connection = psycopg.Connection[Row]


def open_postgres(url: str) -> PostgresDatabase:
    """The store in the database at `url`, made when there is none. Raises StorageUnavailable, StoreCorrupt."""
    database = PostgresDatabase(url)
    try:
        database.make_tables()
    except BaseException:
        database.close()
        raise
    return database


class PostgresDatabase:
    """See `Database`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.where = without_password(url)
        self._write_lock = Lock()
        self._read_lock = Lock()
        self._lines: dict[str, _Connection] = {}

    @contextmanager
    def transaction(self) -> Iterator[_Connected]:
        """See `Database.transaction`."""
        with self._write_lock, self._translated(), self._line("writing").transaction():
            connected = _Connected(self._lines["writing"])
            connected.run(f"SELECT pg_advisory_xact_lock({_WRITING})")
            yield connected

    @contextmanager
    def reading(self) -> Iterator[_Connected]:
        """See `Database.reading`."""
        with self._read_lock, self._translated(), _snapshot(self._line("reading")) as connected:
            yield connected

    @contextmanager
    def snapshot(self) -> Iterator[_Connected]:
        """See `Database.snapshot`."""
        with self._translated(), closing(self._connection()) as own, _snapshot(own) as connected:
            yield connected

    def reached(self, seq: int) -> None:
        """See `Database.reached`: what a server loses is for its own logs and backups to say."""

    def damage(self) -> list[str]:
        """See `Database.damage`: reading everything, as a check does, is as thorough as it gets from here."""
        return []

    def close(self) -> None:
        """See `Database.close`."""
        with self._write_lock, self._read_lock:
            for line in self._lines.values():
                line.close()
            self._lines.clear()

    def make_tables(self) -> None:
        """Have the tables there. Raises StorageUnavailable when they are of another version of Gadus."""
        with self.reading() as snapshot:
            self._refuse_what_forgets(snapshot)
            if self._version(snapshot) == SCHEMA_VERSION and not self._missing_indexes(snapshot):
                return
        with self.transaction() as transaction:
            found = self._version(transaction)
            if found == 0:
                self._make(transaction)
            elif found != SCHEMA_VERSION:
                raise StorageUnavailable(
                    f"{self.where} was written by another version of Gadus (schema {found}, this one knows {SCHEMA_VERSION})",
                    hint="use that version, or another database",
                )
            for statement in self._missing_indexes(transaction):
                transaction.run(statement)

    @contextmanager
    def replacing(self, *, aside: str) -> Iterator[tuple[_Connected, bool]]:
        """
        A transaction with new, empty tables, and whether there were others: those are now in the schema `aside`.

        Raises Conflict while somebody uses the store.
        """
        with self._translated(), closing(self._connection(shares=False)) as own, own.transaction():
            connected = _Connected(own)
            ((free,),) = connected.rows(f"SELECT pg_try_advisory_xact_lock({_IN_USE})")
            if not free:
                raise Conflict(f"the job store {self.where} is in use", hint="stop every server that uses it, then try again")
            had = self._version(connected) != 0 and bool(connected.rows("SELECT 1 FROM events LIMIT 1"))
            if connected.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (SCHEMA,)):
                connected.run(f"ALTER SCHEMA {SCHEMA} RENAME TO {aside}" if had else f"DROP SCHEMA {SCHEMA} CASCADE")
            self._make(connected)
            yield connected, had

    def _make(self, connected: _Connected) -> None:
        connected.run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connected.run(POSTGRES)
        facts = (("id", uuid4().hex), ("schema", str(SCHEMA_VERSION)))
        connected.run("INSERT INTO store (name, value) VALUES (?, ?)", facts)

    def _missing_indexes(self, connected: _Connected) -> list[str]:
        """As of a store that was made before they were thought of."""
        names = [str(name) for (name,) in connected.rows("SELECT indexname FROM pg_indexes WHERE schemaname = ?", (SCHEMA,))]
        return missing_indexes(names)

    def _version(self, connected: _Connected) -> int:
        if not connected.rows("SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = 'store'", (SCHEMA,)):
            return 0
        return int(connected.rows("SELECT value FROM store WHERE name = 'schema'")[0][0])

    def _refuse_what_forgets(self, snapshot: _Connected) -> None:
        for setting in ("fsync", "full_page_writes"):
            ((value,),) = snapshot.rows("SELECT current_setting(?)", (setting,))
            if value == "off":
                raise StorageUnavailable(
                    f"the job store {self.where} could lose accepted jobs: {setting} is off",
                    hint=f"set {setting} = on in postgresql.conf",
                )

    def _line(self, name: str) -> _Connection:
        line = self._lines.get(name)
        if line is not None and not line.closed and _answers(line):
            return line
        self._lines[name] = self._connection()
        return self._lines[name]

    def _connection(self, *, shares: bool = True) -> _Connection:
        line = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="gadus",
            fallback_application_name="gadus",
        )
        try:
            line.execute(f"SET search_path TO {SCHEMA}; SET lock_timeout TO '10s'")
            # Not weaker than durable on that server; stronger, as for its replicas, is left as it is.
            line.execute(
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            )
            if shares:
                line.execute(f"SELECT pg_advisory_lock_shared({_IN_USE})")
        except BaseException:
            line.close()
            raise
        return line

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.DataError as exc:
            raise Bug(f"a value that PostgreSQL does not take: {_first_line(exc)}") from exc
        except psycopg.Error as exc:
            if exc.sqlstate in _DAMAGE:
                raise corrupt(self.where, _first_line(exc)) from exc
            raise unavailable(self.where, _first_line(exc)) from exc


class _Connected:
    """A connection inside a transaction."""

    def __init__(self, line: _Connection) -> None:
        self._line = line

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._line.execute(_postgres(sql), list(values)).fetchall()

    def stream(self, sql: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        with self._line.cursor(name=f"s{uuid4().hex}") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(_postgres(sql), list(values))
            yield from cursor

    def run(self, sql: str, rows: Sequence[Sequence[Value]] = ((),)) -> None:
        if len(rows) == 1:
            self._line.execute(_postgres(sql), list(rows[0]) or None)
        elif rows:
            self._line.cursor().executemany(_postgres(sql), [list(row) for row in rows])


@contextmanager
def _snapshot(line: _Connection) -> Iterator[_Connected]:
    line.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield _Connected(line)
    finally:
        with suppress(psycopg.OperationalError):
            line.execute("ROLLBACK")


def _answers(line: _Connection) -> bool:
    """Whether the connection still stands: a server that was restarted has closed it."""
    try:
        line.execute("SELECT 1")
    except psycopg.Error:
        line.close()
        return False
    return True


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(//[^:@/]*):[^@]*@", r"\1:…@", url.partition("?")[0])


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@lru_cache(maxsize=200)
def _postgres(sql: str) -> Any:  # the driver wants literal text only; ours is made of our own names
    return sql.replace("?", "%s").encode()
