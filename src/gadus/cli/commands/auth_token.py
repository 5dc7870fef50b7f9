"""``gadus auth token create | list | revoke``."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from gadus.access.granting import create_token, revoke_token
from gadus.access.grants import Token
from gadus.cli.flags.granting import EXPIRES, HEADERS, NAMESPACE, SCOPE, access_of, record, row
from gadus.cli.lazy import Command
from gadus.cli.show.failures import say
from gadus.cli.show.tables import write_document, write_table
from gadus.cli.show.text import clock_time

_ID_SHOWN = 12


@click.command(cls=Command)
@click.argument("name")
@SCOPE
@NAMESPACE
@EXPIRES
@click.pass_context
def create(
    ctx: click.Context, /, *, name: str, scopes: Sequence[str], namespaces: Sequence[str], expires: float | None, as_json: bool
) -> None:
    """
    Make an API token NAME and print it, this once.

    From the first grant on, the server of this data directory answers only to those who are granted something.
    """
    text, token = create_token(access_of(ctx), name, scopes, namespaces, expires)
    if as_json:
        write_document({**_record(token), "token": text.reveal()}, "json")
        return
    click.echo(text.reveal())
    say(f"Token {name}: {', '.join(token.scopes)} in {', '.join(token.namespaces)}; {_end(token)}.")
    say("It is shown only now. Give it to clients as GADUS_API_TOKEN.")


@click.command("list", cls=Command)
@click.pass_context
def list_tokens(ctx: click.Context, /, *, as_json: bool) -> None:
    """List the API tokens of this data directory's server. Times are UTC."""
    tokens = access_of(ctx).read().tokens
    if as_json:
        write_document({"tokens": [_record(token) for token in tokens]}, "json")
        return
    write_table(("name", "id", "state", *HEADERS, "expires", "last used"), [_row(token) for token in tokens])


@click.command(cls=Command)
@click.argument("token")
@click.pass_context
def revoke(ctx: click.Context, /, *, token: str, as_json: bool) -> None:
    """End the API token TOKEN, given by its name or the beginning of its id; a running server knows at once."""
    revoked = revoke_token(access_of(ctx), token)
    if as_json:
        write_document(_record(revoked), "json")
        return
    click.echo(f"Token {revoked.name} is revoked.")


def _record(token: Token) -> dict[str, object]:
    return {
        **record(token),
        "id": token.digest[:_ID_SHOWN],
        "state": token.state(time.time()),
        "expires": token.expires,
        "last_used": token.used,
    }


def _row(token: Token) -> tuple[str, ...]:
    expires = "never" if token.expires is None else clock_time(token.expires)
    used = "" if token.used is None else clock_time(token.used)
    return (token.name, token.digest[:_ID_SHOWN], token.state(time.time()), *row(token), expires, used)


def _end(token: Token) -> str:
    return "it never expires" if token.expires is None else f"it expires {clock_time(token.expires)} UTC"
