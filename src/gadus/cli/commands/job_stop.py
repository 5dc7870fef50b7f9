"""``gadus job stop``."""

from __future__ import annotations

import time

import click

from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import say
from gadus.core.errors import Conflict
from gadus.core.job import Job
from gadus.orchestrator.service import Service
from gadus.wiring import open_service

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


@click.command(cls=Command)
@click.argument("job")
@click.option("--reason", default="stopped by gadus job stop", help="Kept with the job.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
@click.pass_context
def stop(ctx: click.Context, /, job: str, reason: str, *, quiet: bool, as_json: bool) -> None:
    """Stop JOB (an id, the beginning of one, or a name) and wait until nothing of it runs."""
    with open_service(settings_of(ctx)) as service:
        found = service.find(job)
        if found.state.final:
            raise Conflict(
                f"job {found.id} is already in a terminal state: {found.state.value}", hint=f"gadus job describe {found.id}"
            )
        stopped = _until_ended(service, service.stop(found.id, reason))
    if as_json:
        click.echo(as_line({"job_id": stopped.id, "state": stopped.state.value, "message": stopped.message}))
    elif not quiet:
        say(f"Stopped job {stopped.id}." if not stopped.live else f"Job {stopped.id} is being stopped.")


def _until_ended(service: Service, job: Job) -> Job:
    """The job when its executions are gone, or as it is when that takes long."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while job.live and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        job = service.find(job.id)
    return job
