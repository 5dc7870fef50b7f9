"""``gadus job rerun``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from gadus.cli.asking import api_of, asking
from gadus.cli.flags.values import whole
from gadus.cli.flags.which import with_namespace
from gadus.cli.lazy import Command, UsageMistake, client_of
from gadus.cli.manner import Manner
from gadus.cli.shape import Begun, Shape
from gadus.cli.show.failures import say
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import short_id
from gadus.client import Api, Document
from gadus.client.api import in_path

_LONGEST_SECONDS = 10 * 365 * 24 * 3600


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
@click.option("--wait/--no-wait", default=False, help="Follow the job to its end, with its output and its exit code.")
@click.option("-f", "--follow", is_flag=True, help="The same, also of a job that does not end by itself.")
@click.option(
    "--wait-timeout-secs",
    type=whole(0, _LONGEST_SECONDS, "600"),
    default=0,
    help="With --wait: stop the job when it is not done after so many seconds.",
)
@click.option("--id-only", is_flag=True, help="Print the job id and nothing else.")
@click.option("-q", "--quiet", is_flag=True, help="No progress: the program's output and errors only.")
@click.option("--node-details", is_flag=True, help="With --wait: at the end also what the program wrote on each node.")
@with_namespace
@click.pass_context
def rerun(
    ctx: click.Context,
    /,
    job: str,
    job_version: int | None,
    reason: str,
    namespace: str,
    wait_timeout_secs: int,
    *,
    wait: bool,
    follow: bool,
    **flags: bool,
) -> int:
    """Run JOB (an id, the beginning of one, or a name) once more, as its next version."""
    body: dict[str, Any] = {"JobVersion": job_version or 0, "Reason": reason}
    if wait_timeout_secs and not (wait or follow):
        raise UsageMistake("--wait-timeout-secs: nobody waits", hint="give --wait, or --follow, too")
    manner = Manner(wait=wait or follow, follow=follow, wait_seconds=wait_timeout_secs, **flags)

    async def ask(api: Api) -> Document:
        query = {"namespace": namespace}
        return await api.ask("PUT", f"/orchestrator/jobs/{in_path(job)}/rerun", query=query, body=body)

    async def begin(api: Api) -> Begun:
        answer = await ask(api)
        job_id, edition = answer["JobID"], answer["JobVersion"]
        again = await api.ask("GET", f"/orchestrator/jobs/{job_id}", query={"job_version": edition})
        return Begun(job_id, Shape.of_document(again["Job"]), edition)

    if manner.wait:
        # Only here: it takes longer to load than to ask.
        from gadus.cli.followed import follow_begun  # noqa: PLC0415

        return follow_begun(partial(api_of, ctx), begin, manner, seconds=client_of(ctx).timeout_seconds)
    _say(asking(ctx, ask), manner)
    return 0


def _say(answer: Document, manner: Manner) -> None:
    if manner.as_json:
        write_document({"job_id": answer["JobID"], "job_version": answer["JobVersion"]}, "json")
        return
    click.echo(answer["JobID"])
    if manner.shows_progress:
        say(f"It runs as version {answer['JobVersion']}. To follow it: gadus job logs --follow {short_id(answer['JobID'])}")
