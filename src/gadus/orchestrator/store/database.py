"""The little of SQL that the store needs, the same for every database: values are bound where the text has a ``?``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Value = str | int | float | None
Row = tuple[Any, ...]


class Transaction(Protocol):
    """A transaction that may write; no other writer is in one at the same time, in no process."""

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """What a query gives."""

    def run(self, sql: str, rows: Sequence[Sequence[Value]] = ((),)) -> None:
        """A statement, once for each of `rows`."""


class Snapshot(Protocol):
    """The database as it was at one moment."""

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """What a query gives."""

    def stream(self, sql: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """What a query gives, row by row."""


class Database(Protocol):
    """
    One database of jobs. Errors are StorageUnavailable and StoreCorrupt.

    Reading and writing have connections of their own: one thread may do the one while another does the other.
    """

    @property
    def where(self) -> str:
        """The database as people know it, without a password."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """What is written inside is durable after the block, or nothing of it is kept when the block raises."""

    def reading(self) -> AbstractContextManager[Snapshot]:
        """For a few rows: other readers of this object wait."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """For many rows: on a connection of its own."""

    def reached(self, seq: int) -> None:
        """Told after each commit: so many events were accepted. A database that has fewer when it is opened lost some."""

    def damage(self) -> list[str]:
        """What a thorough look at the structure of the database finds."""

    def close(self) -> None:
        """Give back files and connections."""


def placeholders(count: int) -> str:
    """The text of an IN list for so many values."""
    return ", ".join("?" * count)
