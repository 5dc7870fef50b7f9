"""``gadus job stop``."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.which import which_of, with_versions
from gadus.cli.lazy import Command
from gadus.cli.show.failures import say
from gadus.cli.show.states import has_ended
from gadus.cli.show.tables import write_document
from gadus.client import Api, Document
from gadus.client.api import in_path
from gadus.client.paging import pages
from gadus.core.errors import Conflict

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_FINAL = ("Completed", "Failed", "Stopped")


@click.command(cls=Command)
@click.argument("job")
@click.option("--reason", default="stopped by gadus job stop", help="Kept with the job.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
@with_versions
@click.pass_context
def stop(ctx: click.Context, /, job: str, reason: str, *, quiet: bool, as_json: bool, **flags: Any) -> None:
    """
    Stop JOB (an id, the beginning of one, or a name) and wait until nothing of it runs.

    Only its latest version runs, and an earlier one not even for a moment longer than it takes to end it: with --version the
    job is stopped if that is its latest version; --all-versions is what happens anyway.
    """
    which = which_of(flags)

    async def ask(api: Api) -> tuple[Document, bool]:
        query = {"namespace": which["namespace"], "job_version": which["job_version"]}
        found = (await api.ask("GET", f"/orchestrator/jobs/{in_path(job)}", query=query))["Job"]
        path = f"/orchestrator/jobs/{found['ID']}"
        if (state := found["State"]["StateType"]) in _FINAL:
            raise Conflict(
                f"job {found['ID']} is already in a terminal state: {state}", hint=f"gadus job describe {found['ID']}"
            )
        await api.ask("DELETE", path, query={"job_version": which["job_version"]}, body={"reason": reason})
        gone = await _until_ended(api, path)
        return (await api.ask("GET", path))["Job"], gone

    stopped, gone = asking(ctx, ask)
    if as_json:
        state = stopped["State"]
        write_document({"job_id": stopped["ID"], "state": state["StateType"], "message": state.get("Message", "")}, "json")
    elif not quiet:
        say(f"Stopped job {stopped['ID']}." if gone else f"Job {stopped['ID']} is being stopped.")


async def _until_ended(api: Api, path: str) -> bool:
    """Whether the executions of the job are gone, as soon as they are, or when that takes long."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        if await _nothing_runs(api, path):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOK_SECONDS)


async def _nothing_runs(api: Api, path: str) -> bool:
    # By id: that order does not change meanwhile.
    async with aclosing(pages(api, f"{path}/executions", {"all_job_versions": True, "order_by": "id"})) as executions:
        async for page in executions:
            if not all(map(has_ended, page)):
                return False
    return True
