"""``gadus node describe``."""

from __future__ import annotations

from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, with_document_flags
from gadus.cli.lazy import Command
from gadus.cli.show.tables import write_document
from gadus.client import Api, Document
from gadus.client.api import in_path


@click.command(cls=Command)
@click.argument("node")
@with_document_flags
@click.pass_context
def describe_node(ctx: click.Context, /, node: str, **flags: Any) -> None:
    """Show all that is known of NODE, an id or the beginning of one: as YAML unless --output says otherwise."""
    look = look_of(flags)

    async def ask(api: Api) -> Document:
        return await api.ask("GET", f"/orchestrator/nodes/{in_path(node)}")

    write_document(asking(ctx, ask)["Node"], "json" if look.style == "json" else "yaml", pretty=look.pretty)
