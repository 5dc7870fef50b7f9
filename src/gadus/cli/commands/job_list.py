"""``gadus job list``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import SELECTOR, look_of, page_of, with_look_flags, with_page_flags
from gadus.cli.lazy import Command
from gadus.cli.show.cells import id_column, text_column, time_column
from gadus.cli.show.lists import show_list
from gadus.client.paging import listed

_COLUMNS = (
    time_column("created", "CreateTime"),
    id_column("id", "ID"),
    text_column("job", lambda job: job["Tasks"][0]["Engine"]["Type"]),
    text_column("type", lambda job: job["Type"]),
    text_column("state", lambda job: job["State"]["StateType"]),
)


@click.command(cls=Command)
@click.option("--labels", type=SELECTOR, default="", help="Only jobs whose labels meet this.")
@click.option("--namespace", default="", metavar="NAME", help="Only jobs of this namespace.")
@with_page_flags(("created_at", "modified_at", "id"), limit=10)
@with_look_flags
@click.pass_context
def list_jobs(ctx: click.Context, /, labels: str, namespace: str, **flags: Any) -> None:
    """List jobs, the newest first. Times are UTC."""
    page = page_of(flags)
    query = page.query | {"reverse": not page.reversed, "labels": labels, "namespace": namespace}
    jobs, token = asking(ctx, partial(listed, path="/orchestrator/jobs", query=query, limit=page.limit))
    show_list(jobs, _COLUMNS, look_of(flags), token=token)
