"""``gadus agent alive``, ``node``, ``version`` and ``config``: about the process that answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import look_of, with_document_flags
from gadus.cli.lazy import Command
from gadus.cli.show.tables import write_document
from gadus.client import Api, Document

_NEVER = "0001-01-01T00:00:00Z"

Written = Callable[[Document], str]


def _command(name: str, text: str, written: Written | None = None) -> click.Command:
    """Asks the route of this name; `written` is the answer for people, YAML when there is none."""

    @click.command(name, cls=Command, help=text)
    @with_document_flags
    @click.pass_context
    def run(ctx: click.Context, /, **flags: Any) -> None:
        async def ask(api: Api) -> Document:
            return await api.ask("GET", f"/agent/{name}")

        answer, look = asking(ctx, ask), look_of(flags)
        if written is not None and not look.style:
            click.echo(written(answer))
        else:
            write_document(answer, "json" if look.style == "json" else "yaml", pretty=look.pretty)

    return run


def _build(answer: Document) -> str:
    known = {"Gadus": "GitVersion", "BuildDate": "BuildDate", "GitCommit": "GitCommit"}
    lines = [f"{label} {answer[name]}" for label, name in known.items() if answer.get(name) not in (None, "", _NEVER)]
    return "\n".join(lines)


alive = _command("alive", "Ask whether the server answers.")
node = _command("node", "Show the node of the process that answers.")
version = _command("version", "Show the version of the process that answers.", _build)
config = _command("config", "Show the settings of the process that answers; secrets are masked.")
