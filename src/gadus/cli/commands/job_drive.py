"""``gadus job drive``, not for people: runs a submitted job to its end with nobody watching."""

from __future__ import annotations

import click

from gadus.cli.follow import ended_here
from gadus.cli.interrupts import run_interruptible
from gadus.cli.lazy import Command, settings_of
from gadus.orchestrator.following import Unwatched
from gadus.wiring import open_service


@click.command(cls=Command, hidden=True)
@click.argument("job_id")
@click.pass_context
def drive(ctx: click.Context, /, job_id: str, *, as_json: bool) -> int:
    """Run the submitted job JOB_ID to its end, silently."""
    del as_json
    with open_service(settings_of(ctx)) as service:
        job = run_interruptible(service.drive(job_id, Unwatched()))
    return ended_here(job).exit_code
