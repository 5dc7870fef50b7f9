"""Documents of the API as the rows of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gadus.cli.flags.lists import Look

from .failures import say
from .tables import write_csv, write_document, write_table

Document = Mapping[str, Any]
_PLAIN = Look("table")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header, and the cell of a document, whole or as short as people like it."""

    header: str
    cell: Callable[[Document, bool], str]


def show_list(documents: Sequence[Document], columns: Sequence[Column], look: Look, *, token: str = "") -> None:
    """The list on standard output; on standard error how to get the rest, when `token` says that there is more."""
    match look.style:
        case "json" | "yaml":
            write_document(documents, look.style, pretty=look.pretty)
        case "csv":
            write_csv(
                [column.header for column in columns], _rows(documents, columns, whole=True), hide_header=look.hide_header
            )
        case _:
            write_rows(documents, columns, look)
    if token:
        say(f"To fetch more records use `--next-token {token}`")


def write_rows(documents: Sequence[Document], columns: Sequence[Column], look: Look = _PLAIN) -> None:
    """The documents as a table on standard output."""
    rows = _rows(documents, columns, whole=look.wide)
    write_table([column.header for column in columns], rows, hide_header=look.hide_header, styled=look.styled)


def _rows(documents: Sequence[Document], columns: Sequence[Column], *, whole: bool) -> list[tuple[str, ...]]:
    return [tuple(column.cell(document, whole) for column in columns) for document in documents]
