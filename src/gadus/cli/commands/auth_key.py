"""``gadus auth key add | list | remove``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gadus.access.granting import add_key, remove_key
from gadus.access.grants import Key
from gadus.cli.flags.granting import HEADERS, NAMESPACE, SCOPE, access_of, record, row
from gadus.cli.lazy import Command
from gadus.cli.show.tables import write_document, write_table

_ID_SHOWN = 16


@click.command(cls=Command)
@click.argument("name")
@click.argument("key_id", metavar="ID")
@SCOPE
@NAMESPACE
@click.pass_context
def add(
    ctx: click.Context, /, *, name: str, key_id: str, scopes: Sequence[str], namespaces: Sequence[str], as_json: bool
) -> None:
    """
    Let in the clients of Bacalhau that have the key with this ID, under the name NAME.

    A server tells the id to a client whose key it does not know.
    """
    key = add_key(access_of(ctx), name, scopes, namespaces, key_id)
    if as_json:
        write_document(_record(key), "json")
        return
    click.echo(f"Key {name}: {', '.join(key.scopes)} in {', '.join(key.namespaces)}.")


@click.command("list", cls=Command)
@click.pass_context
def list_keys(ctx: click.Context, /, *, as_json: bool) -> None:
    """List the keys of clients that this data directory's server lets in. Times are UTC."""
    keys = access_of(ctx).read().keys
    if as_json:
        write_document({"keys": [_record(key) for key in keys]}, "json")
        return
    write_table(("name", "id", *HEADERS), [(key.name, key.id[:_ID_SHOWN], *row(key)) for key in keys])


@click.command(cls=Command)
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, /, *, name: str, as_json: bool) -> None:
    """Let the key NAME in no longer; a running server knows at once."""
    remove_key(access_of(ctx), name)
    if as_json:
        write_document({"name": name}, "json")
        return
    click.echo(f"Key {name} is removed.")


def _record(key: Key) -> dict[str, object]:
    return {**record(key), "id": key.id}
