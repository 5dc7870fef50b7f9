"""``gadus node list``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.lists import SELECTOR, look_of, page_of, with_look_flags, with_page_flags
from gadus.cli.lazy import Command
from gadus.cli.show.cells import text_column
from gadus.cli.show.lists import Column, show_list
from gadus.cli.show.text import shortened
from gadus.client import Api, Document
from gadus.core.units import format_bytes

_ORDERS = ("id", "type", "available_cpu", "available_memory", "available_disk", "available_gpu", "approval", "status")
_SHORT = 40


def _of_info(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda node: str(node["Info"].get(name) or "")


def _of_version(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda node: str((node["Info"].get("BacalhauVersion") or {}).get(name) or "")


def _listed(header: str, name: str) -> Column:
    return Column(header, lambda node, whole: _shown(", ".join(_computes(node).get(name) or ()), whole=whole))


def _capacity(header: str, name: str, shown: Callable[[float], str]) -> Column:
    """What is free of what there is."""

    def cell(node: Mapping[str, Any], _whole: bool) -> str:
        computes = _computes(node)
        free, total = (float((computes.get(key) or {}).get(name) or 0) for key in ("AvailableCapacity", "MaxCapacity"))
        return f"{shown(free)} / {shown(total)}" if computes else ""

    return Column(header, cell)


def _labels(node: Mapping[str, Any], whole: bool) -> str:
    return _shown(", ".join(f"{key}={value}" for key, value in sorted((node["Info"].get("Labels") or {}).items())), whole=whole)


def _shown(text: str, *, whole: bool) -> str:
    return text if whole else shortened(text, _SHORT)


def _computes(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return node["Info"].get("ComputeNodeInfo") or {}


def _number(amount: float) -> str:
    return f"{amount:g}"


_ALWAYS = (
    text_column("id", _of_info("NodeID")),
    text_column("type", _of_info("NodeType")),
    text_column("approval", lambda node: str(node.get("Membership") or "")),
    text_column("status", lambda node: str(node.get("Connection") or "")),
)
_GROUPS: dict[str, tuple[Column, ...]] = {
    "labels": (Column("labels", _labels),),
    "version": (
        text_column("version", _of_version("GitVersion")),
        text_column("architecture", _of_version("GOARCH")),
        text_column("os", _of_version("GOOS")),
    ),
    "features": (
        _listed("engines", "ExecutionEngines"),
        _listed("inputs from", "StorageSources"),
        _listed("outputs", "Publishers"),
    ),
    "capacity": (
        _capacity("cpu", "CPU", _number),
        _capacity("memory", "Memory", format_bytes),
        _capacity("disk", "Disk", format_bytes),
        _capacity("gpu", "GPU", _number),
    ),
}


class _Groups(click.ParamType[tuple[str, ...]]):
    name = "groups"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        choice = click.Choice(tuple(_GROUPS), case_sensitive=False)
        return tuple(str(choice.convert(word.strip(), param, ctx)) for word in value.split(","))


@click.command(cls=Command, epilog="\b\nExamples:\n  gadus node list --show features,capacity --labels 'gpu,zone in (a,b)'\n")
@click.option(
    "--show", "groups", type=_Groups(), multiple=True, default=("labels", "capacity"),
    help=f"Groups of columns: {', '.join(_GROUPS)}; comma-separated or repeated.  [default: labels,capacity]",
)  # fmt: skip
@click.option("--labels", type=SELECTOR, default="", help="Only nodes whose labels meet this.")
@click.option(
    "--filter-approval", type=click.Choice(["approved", "pending", "rejected"], case_sensitive=False), default=None,
    help="Only nodes that are this.",
)  # fmt: skip
@click.option(
    "--filter-status", type=click.Choice(["connected", "disconnected"], case_sensitive=False), default=None,
    help="Only nodes that are this.",
)  # fmt: skip
@with_page_flags(_ORDERS)
@with_look_flags
@click.pass_context
def list_nodes(
    ctx: click.Context,
    /,
    groups: tuple[tuple[str, ...], ...],
    labels: str,
    filter_approval: str | None,
    filter_status: str | None,
    **flags: Any,
) -> None:
    """List the nodes that jobs run on, with what is free of what they have."""
    page = page_of(flags)
    query = page.query | {
        "labels": labels,
        "filter-approval": filter_approval or "",
        "filter-status": filter_status or "",
    }

    async def ask(api: Api) -> Document:
        return await api.ask("GET", "/orchestrator/nodes", query=query)

    answer = asking(ctx, ask)
    wanted = {name for group in groups for name in group}
    columns = [*_ALWAYS, *(column for name, group in _GROUPS.items() if name in wanted for column in group)]
    show_list(answer.get("Nodes") or [], columns, look_of(flags), token=answer.get("NextToken") or "")
