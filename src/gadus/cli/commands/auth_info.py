"""``gadus auth info``: who one is to a server, or whom the server of this data directory lets in."""

from __future__ import annotations

import time

import click

from gadus.access.file import AccessFile
from gadus.cli.asking import asking
from gadus.cli.lazy import Command, client_of, settings_of
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import count_of, printable
from gadus.client import Document
from gadus.client.refusal import LOGIN_HINT
from gadus.config import ClientSettings
from gadus.core.errors import Unauthorized


@click.command(cls=Command)
@click.pass_context
def info(ctx: click.Context, /, *, as_json: bool) -> None:
    """Show who one is to the server that is asked; without one, whom the server of this data directory lets in."""
    client = client_of(ctx)
    if client.endpoint:
        _tell_of(asking(ctx, lambda api: api.ask("GET", "/auth/info")), client, as_json=as_json)
        return
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


def _tell_of(answer: Document, client: ClientSettings, *, as_json: bool) -> None:
    caller = answer["Caller"]
    if caller is None:
        raise Unauthorized(f"{client.endpoint} does not know you: {answer['Reason']}", hint=LOGIN_HINT)
    if as_json:
        told = {"server": client.endpoint, "required": answer["Required"], "name": caller["Name"]}
        write_document(told | {"scopes": caller["Scopes"], "namespaces": caller["Namespaces"]}, "json")
    elif not answer["Required"]:
        click.echo(f"{client.endpoint} answers everybody who reaches it.")
    else:
        what, where = (", ".join(caller[name]) for name in ("Scopes", "Namespaces"))
        click.echo(f"{client.endpoint} knows you as {printable(caller['Name'])}: {what} in {where}.")
