"""Flags of what somebody is granted, and passwords as people give them."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import click

from gadus.access.caller import SCOPES
from gadus.access.file import AccessFile
from gadus.access.grants import Grant
from gadus.cli.everywhere import data_dir
from gadus.cli.lazy import UsageMistake, client_of, settings_of
from gadus.cli.show.text import clock_time
from gadus.core.secret import Secret

from .values import Parsed

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EXPIRY = re.compile(r"([0-9]{1,6})([smhd])")
_LONGEST_SECONDS = 10 * 366 * 86400
_LONGEST_PASSWORD = 4096

HEADERS = ("scopes", "namespaces", "created")

SCOPE = click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=("read:*", "write:job"),
    show_default=True,
    metavar="SCOPE",
    help=f"What is allowed, any number of times: {', '.join(SCOPES)}.",
)
NAMESPACE = click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    default=("*",),
    show_default=True,
    metavar="NAME",
    help="Where it is allowed, any number of times; * is everywhere.",
)
PASSWORD_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input instead of asking for it."
)


def expiry(text: str) -> float | None:
    """The seconds in "90d", "12h", "30m"; None for "never"."""
    if text == "never":
        return None
    parts = _EXPIRY.fullmatch(text)
    seconds = int(parts[1]) * _SECONDS[parts[2]] if parts else 0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise ValueError(f"{text!r} is neither a time from now of at most ten years nor never")
    return float(seconds)


EXPIRES = click.option(
    "--expires",
    type=Parsed("time", expiry, "90d"),
    default="90d",
    show_default=True,
    metavar="TIME",
    help="When it ends: 12h, 90d, never.",
)


def access_of(ctx: click.Context) -> AccessFile:
    """The grants of the data directory, which must be given by ``--data-dir`` while a server is named: that has its own."""
    file = AccessFile.of(settings_of(ctx).data_dir)
    client = client_of(ctx)
    if client.endpoint and not data_dir(ctx):
        words = ctx.command_path.partition(" ")[2]
        raise UsageMistake(
            f"{client.endpoint} (from {client.origin}) is not asked: this command works on grants in a data directory",
            hint=f"on the machine of that server: gadus {words} … --data-dir DIR; for a server on this machine: "
            f"gadus {words} … --data-dir {file.path.parent}",
            ctx=ctx,
        )
    return file


def password_from(ctx: click.Context, *, stdin: bool) -> Secret:
    """A password from standard input, or asked for twice on the terminal; never from the command line, which others see."""
    if stdin:
        # Without its line end only: spaces may belong to it.
        return Secret(sys.stdin.readline(_LONGEST_PASSWORD).rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise UsageMistake("there is no terminal to ask for a password", hint="give it with --password-stdin", ctx=ctx)
    return Secret(click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True))


def record(grant: Grant) -> dict[str, object]:
    """What can be shown of a grant, for programs."""
    return {
        "name": grant.name,
        "scopes": list(grant.scopes),
        "namespaces": list(grant.namespaces),
        "created": grant.created,
    }


def row(grant: Grant) -> Sequence[str]:
    """The same under `HEADERS`, for people."""
    return (" ".join(grant.scopes), " ".join(grant.namespaces), clock_time(grant.created))
