"""``gadus config list``."""

from __future__ import annotations

import click

from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.tables import Format, write_csv, write_document, write_table
from gadus.cli.show.text import shortened
from gadus.config.documents import Line, lines

_HEADERS = ("key", "value", "origin", "meaning")
_SHOWN = 40


@click.command(cls=Command)
@click.option(
    "--output", "style", type=click.Choice(["table", "csv", "json", "yaml"]), default="table", help="Form of the list."
)
@click.option("--pretty", is_flag=True, help="JSON on several lines.")
@click.option("--wide", is_flag=True, help="Whole values, and the variable of each setting.")
@click.option("--hide-header", is_flag=True, help="No first line with the names of the columns.")
@click.option("--no-style", is_flag=True, help="No bold letters.")
@click.argument("beginning", default="")
@click.pass_context
def list_config(
    ctx: click.Context,
    /,
    *,
    style: Format,
    pretty: bool,
    wide: bool,
    hide_header: bool,
    no_style: bool,
    beginning: str,
    as_json: bool,
) -> None:
    """List every setting, or those whose names begin with BEGINNING: its value, who says so, and what it means."""
    found = [line for line in lines(settings_of(ctx)) if line.name.lower().startswith(beginning.lower())]
    headers = (*_HEADERS, "variable") if wide or style == "csv" else _HEADERS
    match "json" if as_json else style:
        case "json":
            write_document([_record(line) for line in found], "json", pretty=pretty)
        case "yaml":
            write_document([_record(line) for line in found], "yaml")
        case "csv":
            write_csv(headers, [_row(line, whole=True) for line in found], hide_header=hide_header)
        case _:
            write_table(headers, [_row(line, whole=wide) for line in found], hide_header=hide_header, styled=not no_style)


def _record(line: Line) -> dict[str, str]:
    return {
        "Key": line.name,
        "Value": line.value,
        "Origin": line.origin,
        "Meaning": line.meaning,
        "Variable": line.variable,
    }


def _row(line: Line, *, whole: bool) -> tuple[str, ...]:
    if whole:
        return line.name, line.value, line.origin, line.meaning, line.variable
    return line.name, shortened(line.value, _SHOWN), shortened(line.origin, _SHOWN), line.meaning
