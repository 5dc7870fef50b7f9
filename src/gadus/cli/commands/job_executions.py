"""``gadus job executions``."""

from __future__ import annotations

from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, page_of, with_look_flags, with_page_flags
from gadus.cli.flags.which import which_of, with_versions
from gadus.cli.lazy import Command
from gadus.cli.show.cells import id_column, node_column, text_column, time_column
from gadus.cli.show.failures import say
from gadus.cli.show.lists import show_list
from gadus.cli.show.states import compute_state, desired_state
from gadus.client import Api, Document
from gadus.client.api import in_path

_COLUMNS = (
    time_column("Created", "CreateTime"),
    time_column("Modified", "ModifyTime"),
    id_column("ID", "ID"),
    node_column("Node ID", "NodeID"),
    text_column("Rev.", lambda execution: str(execution["Revision"])),
    text_column("State", compute_state),
    text_column("Desired", desired_state),
)


@click.command(cls=Command)
@click.argument("job")
@with_versions
@with_page_flags(("modify_time", "create_time", "id", "state"), limit=20)
@with_look_flags
@click.pass_context
def executions(ctx: click.Context, /, job: str, **flags: Any) -> None:
    """List the executions of JOB (an id, the beginning of one, or a name), the longest untouched first. Times are UTC."""
    page = page_of(flags)
    # One more than is wanted: whether there are more is told by it alone.
    query = page.query | which_of(flags) | {"limit": page.limit + 1 if page.limit else 0}

    async def ask(api: Api) -> Document:
        return await api.ask("GET", f"/orchestrator/jobs/{in_path(job)}/executions", query=query)

    items = asking(ctx, ask)["Items"]
    shown = items[: page.limit] if page.limit else items
    show_list(shown, _COLUMNS, look_of(flags))
    if len(items) > len(shown):
        say("There are more: --limit 0 shows them all.")
