"""The flags of every command that shows a list, or one document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from .values import Parsed, whole

Command = TypeVar("Command", bound=Callable[..., Any])


def _selector(text: str) -> str:
    if text:
        # Only here: the grammar takes longer to load than a short list to show.
        from .languages import parse_constraints  # noqa: PLC0415

        parse_constraints(text)
    return text


SELECTOR = Parsed("SELECTOR", _selector, "team=data,!draft")
"""A selector that is passed on as it was written."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted, and in which order."""

    limit: int
    next_token: str
    order_by: str
    reversed: bool

    @property
    def query(self) -> dict[str, str | int | bool]:
        """As the API is asked for it."""
        return {
            "limit": self.limit,
            "next_token": self.next_token,
            "order_by": self.order_by,
            "reverse": self.reversed,
        }


@dataclass(frozen=True, slots=True)
class Look:
    """How an answer is written: as a table, csv, json or yaml."""

    style: str
    pretty: bool = False
    wide: bool = False
    hide_header: bool = False
    styled: bool = True


def with_page_flags(orders: Sequence[str], *, limit: int = 0) -> Callable[[Command], Command]:
    """The flags of a part of a list, which `page_of` reads. `limit` 0 stands for all."""

    def add(command: Command) -> Command:
        for option in (
            click.option(
                "--limit", type=whole(0, 2**31, "50"), default=limit, show_default=bool(limit), help="How many; 0 for all."
            ),
            click.option("--next-token", default="", metavar="TOKEN", help="Go on where a list ended that had more."),
            click.option("--order-by", type=click.Choice(orders, case_sensitive=False), default=None, help="What to sort by."),
            click.option("--order-reversed", is_flag=True, help="The other way round."),
        ):
            command = option(command)
        return command

    return add


def with_look_flags(command: Command) -> Command:
    """The flags of how a list is written, which `look_of` reads."""
    for option in (
        click.option(
            "--output",
            "style",
            type=click.Choice(["table", "csv", "json", "yaml"], case_sensitive=False),
            default="table",
            help="Form of the list.",
        ),
        click.option("--pretty", is_flag=True, help="JSON on several lines."),
        click.option("--wide", is_flag=True, help="Whole ids, dates and texts."),
        click.option("--hide-header", is_flag=True, help="No first line with the names of the columns."),
        click.option("--no-style", is_flag=True, help="No bold letters."),
    ):
        command = option(command)
    return command


def with_document_flags(command: Command) -> Command:
    """The flags of how one document is written, which `look_of` reads."""
    for option in (
        click.option(
            "--output",
            "style",
            type=click.Choice(["json", "yaml"], case_sensitive=False),
            default=None,
            help="One document with everything.",
        ),
        click.option("--pretty", is_flag=True, help="JSON on several lines."),
    ):
        command = option(command)
    return command


def page_of(flags: Mapping[str, Any]) -> Page:
    """What the flags of `with_page_flags` say."""
    return Page(flags["limit"], flags["next_token"], flags["order_by"] or "", flags["order_reversed"])


def look_of(flags: Mapping[str, Any]) -> Look:
    """What the flags of `with_look_flags` or `with_document_flags` say; an empty style is the form for people."""
    return Look(
        "json" if flags["as_json"] else flags["style"] or "",
        flags["pretty"],
        flags.get("wide", False),
        flags.get("hide_header", False),
        not flags.get("no_style", False),
    )
