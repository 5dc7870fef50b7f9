"""``gadus auth info``."""

from __future__ import annotations

import time

import click

from gadus.access.file import AccessFile
from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import count_of


@click.command(cls=Command)
@click.pass_context
def info(ctx: click.Context, /, *, as_json: bool) -> None:
    """Show whom the server of this data directory lets in."""
    file = AccessFile.of(settings_of(ctx).data_dir)
    register = file.read()
    active = sum(token.state(time.time()) == "active" for token in register.tokens)
    if as_json:
        document = {"file": str(file.path), "required": register.begun}
        write_document(document | {"tokens": active, "users": len(register.users), "keys": len(register.keys)}, "json")
        return
    if not register.begun:
        click.echo("Nothing was granted yet: a server here answers every user of this machine, unless it has --auth.")
        return
    numbers = {"token": active, "user": len(register.users), "key": len(register.keys)}
    counts = ", ".join(count_of(number, noun) for noun, number in numbers.items())
    click.echo(f"A server here answers only those who are granted access in {file.path}: {counts}.")
