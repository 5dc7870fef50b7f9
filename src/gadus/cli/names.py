"""What a shell offers for the words of a command: files, and the jobs and nodes there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from gadus.core.errors import GadusError

_SECONDS = 2.0
"""A server that takes longer is not waited for."""
_NEWEST = 50
_PLAIN = re.compile(r"[\w.@%+=-]{1,200}")


def named(word: str) -> click.ParamType[str]:
    """The type of a text argument with this name."""
    return _Named({"job": _jobs, "job_id": _jobs, "node": _nodes, "file": _files, "module": _files}.get(word, _nothing))


class _Named(click.types.StringParamType):
    def __init__(self, offered: Callable[[click.Context, str], list[CompletionItem]]) -> None:
        self._offered = offered

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        return self._offered(ctx, incomplete)


def _nothing(_ctx: click.Context, _incomplete: str) -> list[CompletionItem]:
    return []


def _files(_ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _jobs(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    rows = [
        (str(word), f"{job['Tasks'][0]['Engine']['Type']}, {job['State']['StateType']}")
        for job in _asked(ctx, "/orchestrator/jobs", "Items")
        for word in dict.fromkeys([job["ID"], job["Name"]])
        # A word that would have to be quoted is typed.
        if _PLAIN.fullmatch(word)
    ]
    return [CompletionItem(word, help=text) for word, text in rows if word.startswith(incomplete)]


def _nodes(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    found = [str(node["Info"]["NodeID"]) for node in _asked(ctx, "/orchestrator/nodes", "Nodes")]
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _asked(ctx: click.Context, path: str, field: str) -> list[dict[str, Any]]:
    """The newest documents of a route; none when that takes long, or fails for any reason that a person would be told."""
    import asyncio  # noqa: PLC0415 - only when a shell asks

    from gadus.client import Api  # noqa: PLC0415

    from .asking import asking  # noqa: PLC0415
    from .lazy import client_of, settings_of  # noqa: PLC0415

    async def ask(api: Api) -> list[dict[str, Any]]:
        async with asyncio.timeout(_SECONDS):
            answer = await api.ask("GET", path, query={"limit": _NEWEST, "reverse": True})
        return answer.get(field) or []

    with suppress(GadusError, TimeoutError):
        jobs_at = settings_of(ctx).jobs_at
        if client_of(ctx).endpoint or not isinstance(jobs_at, Path) or jobs_at.exists():
            return asking(ctx, ask)
    return []
