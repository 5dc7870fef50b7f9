"""``gadus job versions``."""

from __future__ import annotations

from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, with_look_flags
from gadus.cli.flags.which import which_of, with_namespace
from gadus.cli.lazy import Command
from gadus.cli.show.cells import text_column, time_column
from gadus.cli.show.lists import show_list
from gadus.client import Api, Document
from gadus.client.api import in_path

_COLUMNS = (
    time_column("Created at", "ModifyTime"),
    text_column("Job version", lambda job: str(job["Version"])),
    text_column("Job", lambda job: job["Tasks"][0]["Engine"]["Type"]),
    text_column("Count", lambda job: str(job["Count"])),
)


@click.command(cls=Command)
@click.argument("job")
@with_namespace
@with_look_flags
@click.pass_context
def versions(ctx: click.Context, /, job: str, **flags: Any) -> None:
    """List the versions of JOB (an id, the beginning of one, or a name), the oldest first. Times are UTC."""

    async def ask(api: Api) -> Document:
        return await api.ask("GET", f"/orchestrator/jobs/{in_path(job)}/versions", query=which_of(flags))

    show_list(asking(ctx, ask)["Items"], _COLUMNS, look_of(flags))
