"""``gadus job history``."""

from __future__ import annotations

from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, page_of, with_look_flags, with_page_flags
from gadus.cli.flags.which import which_of, with_versions
from gadus.cli.lazy import Command
from gadus.cli.show.events import HISTORY_COLUMNS
from gadus.cli.show.lists import show_list
from gadus.client import Api, Document
from gadus.client.api import in_path

_KINDS = ("all", "job", "execution")


@click.command(cls=Command)
@click.argument("job")
@click.option("--event-type", type=click.Choice(_KINDS), default="all", show_default=True, help="Events of what.")
@click.option("--execution-id", default="", metavar="ID", help="Only of this execution, or of those whose id begins so.")
@click.option("--node-id", default="", metavar="ID", help="Only of executions on this node, or on those whose id begins so.")
@with_versions
@with_page_flags(("time",), limit=0)
@with_look_flags
@click.pass_context
def history(ctx: click.Context, /, job: str, event_type: str, execution_id: str, node_id: str, **flags: Any) -> None:
    """List what happened to JOB (an id, the beginning of one, or a name), the oldest first. Times are UTC."""
    page = page_of(flags)
    wanted = {"event_type": event_type, "execution_id": execution_id, "node_id": node_id}
    query = page.query | which_of(flags) | wanted

    async def ask(api: Api) -> Document:
        return await api.ask("GET", f"/orchestrator/jobs/{in_path(job)}/history", query=query)

    answer = asking(ctx, ask)
    items = answer["Items"]
    # While a job runs there is always a token: that there may be more some day needs no word.
    more = page.limit and len(items) >= page.limit
    show_list(items, HISTORY_COLUMNS, look_of(flags), token=answer["NextToken"] if more else "")
