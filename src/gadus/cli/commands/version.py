"""``gadus version``."""

from __future__ import annotations

import platform

import click

from gadus import __version__
from gadus.cli.lazy import Command


@click.command(cls=Command)
@click.option("--client", is_flag=True, hidden=True)
def version(*, client: bool, as_json: bool) -> None:
    """Print the version."""
    del client  # there is nothing but the client yet
    if as_json:
        import json  # noqa: PLC0415 - only here

        click.echo(json.dumps({"version": __version__, "python": platform.python_version()}))
    else:
        click.echo(f"gadus {__version__}")
