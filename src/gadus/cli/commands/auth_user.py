"""``gadus auth user add | list | remove | passwd``, and ``gadus auth hash-password``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gadus.access.granting import add_user, remove_user, set_password
from gadus.access.passwords import checked_hash, hash_of
from gadus.cli.flags.granting import HEADERS, NAMESPACE, PASSWORD_STDIN, SCOPE, access_of, password_from, record, row
from gadus.cli.lazy import Command
from gadus.cli.show.tables import write_document, write_table


@click.command(cls=Command)
@click.argument("name")
@SCOPE
@NAMESPACE
@PASSWORD_STDIN
@click.option("--password-hash", metavar="HASH", help="A bcrypt hash instead of a password: see `gadus auth hash-password`.")
@click.pass_context
def add(
    ctx: click.Context,
    /,
    *,
    name: str,
    scopes: Sequence[str],
    namespaces: Sequence[str],
    password_stdin: bool,
    password_hash: str | None,
    as_json: bool,
) -> None:
    """
    Add a user NAME with a password, which is asked for.

    From the first grant on, the server of this data directory answers only to those who are granted something.
    """
    kept = checked_hash(password_hash) if password_hash else hash_of(password_from(ctx, stdin=password_stdin).reveal())
    user = add_user(access_of(ctx), name, scopes, namespaces, kept)
    if as_json:
        write_document(record(user), "json")
        return
    click.echo(f"User {name}: {', '.join(user.scopes)} in {', '.join(user.namespaces)}.")


@click.command("list", cls=Command)
@click.pass_context
def list_users(ctx: click.Context, /, *, as_json: bool) -> None:
    """List the users of this data directory's server. Times are UTC."""
    users = access_of(ctx).read().users
    if as_json:
        write_document({"users": [record(user) for user in users]}, "json")
        return
    write_table(("name", *HEADERS), [(user.name, *row(user)) for user in users])


@click.command(cls=Command)
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, /, *, name: str, as_json: bool) -> None:
    """Remove the user NAME; a running server knows at once."""
    remove_user(access_of(ctx), name)
    if as_json:
        write_document({"name": name}, "json")
        return
    click.echo(f"User {name} is removed.")


@click.command(cls=Command)
@click.argument("name")
@PASSWORD_STDIN
@click.pass_context
def passwd(ctx: click.Context, /, *, name: str, password_stdin: bool, as_json: bool) -> None:
    """Give the user NAME another password, which is asked for; sessions of the old one end."""
    user = set_password(access_of(ctx), name, hash_of(password_from(ctx, stdin=password_stdin).reveal()))
    if as_json:
        write_document(record(user), "json")
        return
    click.echo(f"User {name} has another password.")


@click.command("hash-password", cls=Command)
@PASSWORD_STDIN
@click.pass_context
def hash_password(ctx: click.Context, /, *, password_stdin: bool, as_json: bool) -> None:
    """Print the bcrypt hash of a password, which is asked for: for `gadus auth user add --password-hash`."""
    kept = hash_of(password_from(ctx, stdin=password_stdin).reveal())
    if as_json:
        write_document({"hash": kept}, "json")
        return
    click.echo(kept)
