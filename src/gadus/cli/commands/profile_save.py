"""``gadus profile save``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gadus.cli.flags.values import Parsed
from gadus.cli.lazy import Command, UsageMistake
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import say
from gadus.config import Profile, Profiles
from gadus.config.addresses import web_endpoint
from gadus.config.values import duration, proof
from gadus.core.errors import InvalidSpec, NotFound
from gadus.core.secret import Secret

from .profile_show import record

_LONGEST_TOKEN = 2**14


@click.command(cls=Command)
@click.argument("name")
@click.option("--endpoint", type=Parsed("URL", web_endpoint, "https://gadus.example"), help="The address of the server.")
@click.option("--description", help="What it is, for people.")
@click.option("--timeout", "timeout_seconds", type=Parsed("DURATION", duration, "30s"), help="How long to wait for an answer.")
@click.option("--insecure/--no-insecure", default=None, help="Do not check its certificate.")
@click.option("--cacert", metavar="FILE", help="Trust the certificates in this file.")
@click.option("--token-stdin", is_flag=True, help="Keep the token that comes on standard input.")
@click.option("--select", is_flag=True, help="Use it from now on.")
@click.pass_context
def save_profile(ctx: click.Context, /, name: str, *, token_stdin: bool, select: bool, as_json: bool, **given: Any) -> None:
    """Keep the address of a server, and how to ask it, as NAME; of a profile that is there, what is not given stays."""
    profiles = Profiles.of()
    if given["cacert"]:
        given["cacert"] = str(Path(given["cacert"]).absolute())
    changes = {field: value for field, value in given.items() if value is not None}
    profile = replace(_known(profiles, name), **changes)
    if not profile.endpoint:
        raise UsageMistake(f"profile {name}: has no address yet", hint="give it with --endpoint http://HOST:1234", ctx=ctx)
    if token_stdin:
        profile = replace(profile, token=_token())
    path = profiles.save(profile)
    if select:
        profiles.select(name)
    if as_json:
        click.echo(as_line(record(profile, current=profiles.current)))
    else:
        say(f"Profile {name} is kept in {path}{', and used from now on' if profiles.current == name else ''}")


def _known(profiles: Profiles, name: str) -> Profile:
    try:
        return profiles.get(name)
    except NotFound:
        return Profile(name)


def _token() -> Secret:
    text = sys.stdin.read(_LONGEST_TOKEN + 1).strip()
    if not text:
        raise UsageMistake("--token-stdin: no token came on standard input", hint="write it there, on one line")
    try:
        return proof(text)
    except ValueError as error:
        raise InvalidSpec([f"--token-stdin: {error}"]) from error
