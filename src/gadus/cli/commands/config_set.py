"""``gadus config set``."""

from __future__ import annotations

from pathlib import Path

import click

from gadus.cli import everywhere
from gadus.cli.lazy import Command, UsageMistake, settings_of
from gadus.cli.show.ending import as_line
from gadus.cli.show.failures import say
from gadus.config.files import unknown
from gadus.config.keys import BY_NAME, Key
from gadus.config.reading import checked
from gadus.config.said import Said
from gadus.config.sources import split
from gadus.config.writing import file_of, set_value
from gadus.core.errors import InvalidSpec

_EPILOG = """\b
Examples:
  gadus config set API.Port 8080
  gadus config set Labels zone=a disk=ssd
  gadus config set Compute.AllocatedCapacity.CPU=50%
"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("words", nargs=-1, required=True, metavar="KEY VALUE... | KEY=VALUE")
@click.pass_context
def set_config(ctx: click.Context, /, *, words: tuple[str, ...], as_json: bool) -> None:
    """
    Write a setting into the file of the data directory, or into the one that --config names.

    It counts for every command that is started from then on. The value is checked before anything is written.
    """
    key, text = _asked(words, ctx)
    if text:
        checked(key, text, key.name)
    _, named = split(everywhere.config_words(ctx))
    path: Path = named[-1] if named else file_of(key, settings_of(ctx).data_dir)
    set_value(path, key, text)
    if as_json:
        click.echo(as_line({"key": key.name, "value": Said(text).shown(key), "file": str(path)}))
    else:
        say(f"{key.name} is {Said(text).shown(key) or 'the default'} from now on: {path}")


def _asked(words: tuple[str, ...], ctx: click.Context) -> tuple[Key, str]:
    name, equals, first = words[0].partition("=")
    values = [first, *words[1:]] if equals else list(words[1:])
    key = BY_NAME.get(name.lower())
    if key is None:
        raise InvalidSpec([unknown(name)])
    if not values:
        raise UsageMistake(f"{key.name}: no value is given", hint=f'for the default write `{ctx.command_path} {key.name} ""`')
    if len(values) > 1 and not key.parts:
        raise UsageMistake(f"{key.name}: takes one value, not {len(values)}", hint="put it in quotes", ctx=ctx)
    return key, ",".join(values).strip()
