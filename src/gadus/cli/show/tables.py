"""Rows as a person, a spreadsheet or a program wants them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Literal

import click
from rich.cells import cell_len

from .text import printable

Format = Literal["table", "csv", "json", "yaml"]
_GAP = "  "


def write_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, hide_header: bool = False, styled: bool = True
) -> None:
    """Columns side by side on standard output; bold headers on a terminal unless not `styled`."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headers, *cells, strict=True)]
    if not hide_header:
        line = _aligned([header.upper() for header in headers], widths)
        click.echo(click.style(line, bold=True) if styled else line)
    for row in cells:
        click.echo(_aligned(row, widths))


def write_csv(headers: Sequence[str], rows: Sequence[Sequence[str]], *, hide_header: bool = False) -> None:
    """Comma-separated values with a header row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([*([] if hide_header else [headers]), *rows])
    click.echo(text.getvalue(), nl=False)


def write_document(value: Any, style: Literal["json", "yaml"], *, pretty: bool = False) -> None:
    """One JSON or YAML document on standard output."""
    if style == "json":
        click.echo(json.dumps(value, ensure_ascii=False, indent=2 if pretty else None))
        return
    import yaml  # noqa: PLC0415 - only here

    value = dict(value) if isinstance(value, dict) else value
    click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
    return _GAP.join(padded).rstrip()
