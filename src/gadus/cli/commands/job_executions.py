"""``gadus job executions``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, page_of, with_look_flags, with_page_flags
from gadus.cli.flags.which import which_of, with_versions
from gadus.cli.lazy import Command
from gadus.cli.show.cells import id_column, node_column, text_column, time_column
from gadus.cli.show.lists import show_list
from gadus.cli.show.states import compute_state, desired_state
from gadus.client.api import in_path
from gadus.client.paging import listed

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
    path, query = f"/orchestrator/jobs/{in_path(job)}/executions", page.query | which_of(flags)
    items, token = asking(ctx, partial(listed, path=path, query=query, limit=page.limit))
    show_list(items, _COLUMNS, look_of(flags), token=token)
