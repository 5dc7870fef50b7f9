"""``gadus store restore``."""

from __future__ import annotations

from pathlib import Path

import click

from gadus.cli.flags.place import STORE
from gadus.cli.lazy import Command, settings_of
from gadus.cli.place import say_if_elsewhere
from gadus.cli.show.counting import counting
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import count_of
from gadus.orchestrator.store.restoring import restore


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Also where there are jobs already; they are kept aside.")
@STORE
@click.pass_context
def restore_store(ctx: click.Context, /, *, file: Path, replace: bool, where: str, as_json: bool) -> None:
    """
    Make the backup FILE the store, after a check of it.

    No server and no job may use the store meanwhile. FILE may also be the file of a store itself.
    """
    say_if_elsewhere(ctx)
    with counting("jobs checked", hidden=as_json) as told:
        restored = restore(file, where or settings_of(ctx).jobs_at, replace=replace, told=told)
    if as_json:
        write_document({"jobs": restored.jobs, "events": restored.events, "aside": restored.aside}, "json")
        return
    click.echo(f"restored: {count_of(restored.jobs, 'job')} with {count_of(restored.events, 'event')}")
    if restored.aside:
        click.echo(f"what was there before is now {restored.aside}")
