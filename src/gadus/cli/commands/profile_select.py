"""``gadus profile select`` and ``gadus profile delete``."""

from __future__ import annotations

import sys

import click

from gadus.cli.lazy import Command, UsageMistake
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import say
from gadus.config import Profiles


@click.command(cls=Command)
@click.argument("name")
def select_profile(*, name: str, as_json: bool) -> None:
    """Let every command ask the server of the profile NAME from now on."""
    profiles = Profiles.of()
    profiles.select(name)
    if as_json:
        click.echo(as_line({"selected": name}))
    else:
        say(f"Commands ask {profiles.get(name).endpoint} from now on")


@click.command(cls=Command)
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Without a question.")
@click.pass_context
def delete_profile(ctx: click.Context, /, *, name: str, force: bool, as_json: bool) -> None:
    """Forget the profile NAME, and its token."""
    profiles = Profiles.of()
    profile = profiles.get(name)
    if not force:
        if not sys.stdin.isatty():
            raise UsageMistake(f"profile {name}: nobody is there to be asked", hint="add --force", ctx=ctx)
        click.confirm(f"Forget the profile {name} of {profile.endpoint}?", abort=True, err=True)
    profiles.delete(name)
    if as_json:
        click.echo(as_line({"deleted": name}))
    else:
        say(f"Profile {name} is forgotten")
