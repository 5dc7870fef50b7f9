"""``gadus job list``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from gadus.cli.flags.options import CONSTRAINTS
from gadus.cli.flags.values import whole
from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.records import job_record
from gadus.cli.show.tables import Format, write_csv, write_document, write_table
from gadus.cli.show.text import clock_time, short_id
from gadus.core.job import Job
from gadus.core.spec import Constraint
from gadus.wiring import open_service

_HEADERS = ("created", "id", "job", "type", "state")


@click.command(cls=Command)
@click.option("--limit", type=whole(0, 2**31, "50"), default=10, show_default=True, help="How many jobs; 0 for all.")
@click.option("--labels", type=CONSTRAINTS, default=(), help="Only jobs whose labels meet this, e.g. team=data,!draft.")
@click.option("--order-reversed", is_flag=True, help="Oldest first.")
@click.option(
    "--output", "style", type=click.Choice(["table", "csv", "json", "yaml"]), default="table", help="Form of the list."
)
@click.option("--pretty", is_flag=True, help="JSON on several lines.")
@click.option("--wide", is_flag=True, help="Whole ids and dates.")
@click.option("--hide-header", is_flag=True, help="No first line with the names of the columns.")
@click.option("--no-style", is_flag=True, help="No bold letters.")
@click.pass_context
def list_jobs(
    ctx: click.Context,
    /,
    *,
    limit: int,
    labels: Sequence[Constraint],
    order_reversed: bool,
    style: Format,
    pretty: bool,
    wide: bool,
    hide_header: bool,
    no_style: bool,
    as_json: bool,
) -> None:
    """List the newest jobs. Times are UTC."""
    with open_service(settings_of(ctx)) as service:
        jobs = service.jobs(limit=limit or sys.maxsize, labels=labels, newest_first=not order_reversed)
    match "json" if as_json else style:
        case "json":
            write_document([job_record(job) for job in jobs], "json", pretty=pretty)
        case "yaml":
            write_document([job_record(job) for job in jobs], "yaml")
        case "csv":
            write_csv(_HEADERS, [_row(job, whole=True) for job in jobs], hide_header=hide_header)
        case _:
            write_table(_HEADERS, [_row(job, whole=wide) for job in jobs], hide_header=hide_header, styled=not no_style)


def _row(job: Job, *, whole: bool) -> tuple[str, ...]:
    created = clock_time(job.created_at)
    return (
        created if whole else created.partition(" ")[2],
        job.id if whole else short_id(job.id),
        job.spec.task.engine.name,
        job.spec.type,
        job.state.value,
    )
