"""``gadus job describe``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, with_document_flags
from gadus.cli.flags.which import which_of, with_version
from gadus.cli.lazy import Command
from gadus.cli.show.described import show_described
from gadus.cli.show.records import described, described_as_json
from gadus.cli.show.tables import write_document
from gadus.client import Api, Document
from gadus.client.api import in_path
from gadus.client.paging import with_all_executions


@click.command(cls=Command)
@click.argument("job")
@with_version
@with_document_flags
@click.pass_context
def describe(ctx: click.Context, /, job: str, **flags: Any) -> None:
    """Show all that is known of JOB: an id, the beginning of one, or a name. Times are UTC."""
    look = look_of(flags)
    which = which_of(flags)
    query = which | {"include": "executions,history,manifests"}

    async def ask(api: Api) -> Document:
        answer = await api.ask("GET", f"/orchestrator/jobs/{in_path(job)}", query=query)
        answer = await with_all_executions(api, answer, which)
        if look.style == "json":
            await _write(api, answer, pretty=look.pretty)
        return answer

    answer = asking(ctx, ask)
    if look.style == "yaml":
        write_document(described(answer), "yaml")
    elif not look.style:
        show_described(answer)


async def _write(api: Api, answer: Mapping[str, Any], *, pretty: bool) -> None:
    path = f"/orchestrator/jobs/{answer['Job']['ID']}/manifests/"

    def read(digest: str) -> AbstractAsyncContextManager[Any]:
        return api.lines(path + in_path(digest))

    async with aclosing(described_as_json(answer, read, pretty=pretty)) as pieces:
        async for piece in pieces:
            sys.stdout.write(piece)
