"""``gadus store backup``."""

from __future__ import annotations

from pathlib import Path

import click

from gadus.cli.flags.place import STORE
from gadus.cli.lazy import Command, settings_of
from gadus.cli.place import say_if_elsewhere
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import count_of
from gadus.core.units import format_bytes
from gadus.orchestrator.store.backup import backup


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@STORE
@click.pass_context
def backup_store(ctx: click.Context, /, *, file: Path, where: str, as_json: bool) -> None:
    """
    Write the jobs that are kept, as they are at this moment, to the new file FILE.

    A server may go on meanwhile. Results and inputs are files of their own and not part of it.
    """
    say_if_elsewhere(ctx)
    saved = backup(where or settings_of(ctx).jobs_at, file)
    if as_json:
        write_document({"file": str(file), "jobs": saved.jobs, "events": saved.events, "bytes": saved.size_bytes}, "json")
        return
    jobs, events = count_of(saved.jobs, "job"), count_of(saved.events, "event")
    click.echo(f"{file}: {jobs} with {events}, {format_bytes(saved.size_bytes)}")
