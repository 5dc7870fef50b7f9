"""``gadus node approve``, ``reject`` and ``delete``: which nodes belong to the cluster."""

from __future__ import annotations

from functools import partial

import click

from gadus.cli.asking import asking
from gadus.cli.lazy import Command
from gadus.cli.show.ending import as_line
from gadus.client import Api, Document
from gadus.client.api import in_path
from gadus.core.errors import Conflict, GadusError, NotFound


def _command(action: str, what: str) -> click.Command:
    @click.command(action, cls=Command, help=f"{what} NODE, an id or the beginning of one.")
    @click.argument("node")
    @click.option("-m", "--message", default="", help="Kept with the node.")
    @click.pass_context
    def run(ctx: click.Context, /, node: str, message: str, *, as_json: bool) -> None:
        body = {"Action": action, "Message": message, "NodeID": node}
        try:
            answer = asking(ctx, partial(_ask, node=node, body=body))
        except (NotFound, Conflict) as exc:
            raise _failed(action, node, exc.message, type(exc)) from exc
        if not answer.get("Success", True):
            raise _failed(action, node, str(answer.get("Error") or "no reason was given"), Conflict)
        click.echo(as_line({"node": node, "action": action, "success": True}) if as_json else "Ok")

    return run


async def _ask(api: Api, *, node: str, body: Document) -> Document:
    return await api.ask("PUT", f"/orchestrator/nodes/{in_path(node)}", body=body)


def _failed(action: str, node: str, reason: str, kind: type[GadusError]) -> GadusError:
    return kind(f"Failed to {action} node {node}: {reason}", hint="gadus node list")


approve = _command("approve", "Let jobs run on")
reject = _command("reject", "Let no jobs run on")
delete = _command("delete", "Forget")
