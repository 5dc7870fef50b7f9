"""``gadus cache prune``."""

from __future__ import annotations

import click

from gadus.cli.flags.values import Parsed
from gadus.cli.lazy import Command, UsageMistake, settings_of
from gadus.cli.place import say_if_elsewhere
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import count_of
from gadus.core.units import format_bytes, parse_bytes
from gadus.runner.cache import Cache


@click.command(cls=Command)
@click.option("--all", "everything", is_flag=True, help="Everything that no job uses now.")
@click.option("--to", "to_bytes", type=Parsed("size", parse_bytes, "20GB"), help="Down to this size, e.g. 20GB.")
@click.pass_context
def prune_cache(ctx: click.Context, /, *, everything: bool, to_bytes: int | None, as_json: bool) -> None:
    """
    Remove inputs that no job uses now, least recently used first.

    Without a flag: down to the limit, with what belongs to no input any more.
    """
    say_if_elsewhere(ctx)
    if everything and to_bytes is not None:
        raise UsageMistake("--all and --to say different things", hint="use one of them", ctx=ctx)
    settings = settings_of(ctx)
    cache = Cache(settings.cache_dir, limit_bytes=settings.cache_limit_bytes)
    pruned = cache.prune(0 if everything else to_bytes)
    used_bytes, limit_bytes = cache.state()
    if as_json:
        write_document(
            {
                "trees": pruned.trees,
                "objects": pruned.objects,
                "partial_objects": pruned.partials,
                "freed_bytes": pruned.size_bytes,
                "bytes": used_bytes,
                "limit_bytes": limit_bytes,
            },
            "json",
        )
        return
    removed = ", ".join(
        (
            count_of(pruned.trees, "tree"),
            count_of(pruned.objects, "object"),
            count_of(pruned.partials, "partial object"),
        )
    )
    click.echo(f"{format_bytes(pruned.size_bytes)} freed: {removed}")
    click.echo(f"{format_bytes(used_bytes)} left; the limit is {format_bytes(limit_bytes)}")
