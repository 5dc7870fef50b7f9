"""``gadus wasm validate``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gadus.cli.interrupts import run_interruptible
from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.ending import as_line
from gadus.core.errors import InvalidSpec
from gadus.engines.wasm import Engine


@click.command(cls=Command, epilog="\b\nExamples:\n  gadus wasm validate count.wasm --entry-point count_lines\n")
@click.argument("module")
@click.option("--entry-point", default="_start", show_default=True, help="The exported function to call.")
@click.pass_context
def validate(ctx: click.Context, /, module: str, entry_point: str, *, as_json: bool) -> None:
    """Check that the WebAssembly MODULE, a file, can be started at its entry point; nothing is run."""
    file = Path(module)
    if not (file.is_file() and os.access(file, os.R_OK)):
        raise InvalidSpec([f"MODULE: {module!r} is no file that can be read"], hint="give a file of this machine")
    run_interruptible(Engine(settings_of(ctx)).check(file, entry_point))
    click.echo(as_line({"valid": True, "entry_point": entry_point}) if as_json else "OK")
