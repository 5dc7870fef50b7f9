"""``gadus version``."""

from __future__ import annotations

import platform
from typing import Any

import click

from gadus import __version__
from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, with_look_flags
from gadus.cli.lazy import Command, client_of
from gadus.cli.show.cells import text_column
from gadus.cli.show.lists import show_list
from gadus.cli.show.tables import write_document
from gadus.client import Api, Document

_CLIENT = (text_column("client", lambda row: row["client"]),)
_BOTH = (
    *_CLIENT,
    text_column("server", lambda row: row["server"]),
    # No other host is asked, so that nobody learns who runs what.
    text_column("latest", lambda _row: ""),
    text_column("Update Message", lambda _row: ""),
)


@click.command(cls=Command)
@click.option("--client", "client_only", is_flag=True, help="This program's version alone; no server is asked.")
@with_look_flags
@click.pass_context
def version(ctx: click.Context, /, *, client_only: bool, **flags: Any) -> None:
    """Print the versions of this program and of the server, if one is named."""
    own = f"v{__version__}"
    look = look_of(flags)
    server = "" if client_only or not client_of(ctx).endpoint else str(asking(ctx, _ask).get("GitVersion") or "")
    row = {"client": own, "server": server, "python": platform.python_version()}
    if look.style in ("json", "yaml"):
        write_document(row, "json" if look.style == "json" else "yaml", pretty=look.pretty)
    else:
        show_list([row], _CLIENT if client_only else _BOTH, look)


async def _ask(api: Api) -> Document:
    return await api.ask("GET", "/agent/version")
