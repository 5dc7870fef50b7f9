"""``gadus job rerun``."""

from __future__ import annotations

from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.values import whole
from gadus.cli.flags.which import with_namespace
from gadus.cli.lazy import Command
from gadus.cli.show.failures import say
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import short_id
from gadus.client import Api, Document
from gadus.client.api import in_path


@click.command(cls=Command)
@click.argument("job")
@click.option(
    "-v",
    "--version",
    "job_version",
    type=whole(1, 2**31 - 1, "2"),
    default=None,
    help="As this version was.  [default: latest]",
)
@click.option("--reason", default="", metavar="TEXT", help="Kept with the job.")
@with_namespace
@click.pass_context
def rerun(ctx: click.Context, /, job: str, job_version: int | None, reason: str, namespace: str, *, as_json: bool) -> None:
    """Run JOB (an id, the beginning of one, or a name) once more, as its next version."""
    body: dict[str, Any] = {"JobVersion": job_version or 0, "Reason": reason}

    async def ask(api: Api) -> Document:
        query = {"namespace": namespace}
        return await api.ask("PUT", f"/orchestrator/jobs/{in_path(job)}/rerun", query=query, body=body)

    answer = asking(ctx, ask)
    if as_json:
        write_document({"job_id": answer["JobID"], "job_version": answer["JobVersion"]}, "json")
        return
    click.echo(answer["JobID"])
    say(f"It runs as version {answer['JobVersion']}. To follow it: gadus job logs --follow {short_id(answer['JobID'])}")
