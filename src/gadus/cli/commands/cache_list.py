"""``gadus cache list``."""

from __future__ import annotations

import click

from gadus.cli.lazy import Command, settings_of
from gadus.cli.place import say_if_elsewhere
from gadus.cli.show.tables import write_document, write_table
from gadus.cli.show.text import clock_time, shortened
from gadus.core.units import format_bytes
from gadus.runner.cache import Cache, Listed

_HEADERS = ("tree", "location", "objects", "size", "last used", "in use")
_NAME_SHOWN = 12
_LOCATION_SHOWN = 60


@click.command(cls=Command)
@click.option("--wide", is_flag=True, help="Whole names and locations.")
@click.pass_context
def list_cache(ctx: click.Context, /, *, wide: bool, as_json: bool) -> None:
    """List the inputs that are kept on this machine, last used first. Times are UTC."""
    say_if_elsewhere(ctx)
    settings = settings_of(ctx)
    cache = Cache(settings.cache_dir, limit_bytes=settings.cache_limit_bytes)
    trees = cache.list()
    used_bytes, limit_bytes = cache.state()
    if as_json:
        write_document(
            {"trees": [_record(tree) for tree in trees], "bytes": used_bytes, "limit_bytes": limit_bytes},
            "json",
        )
        return
    write_table(_HEADERS, [_row(tree, whole=wide) for tree in trees])
    # Less than the sum of the sizes above when trees share objects.
    click.echo(f"\n{format_bytes(used_bytes)} in all, each object counted once; the limit is {format_bytes(limit_bytes)}")


def _record(tree: Listed) -> dict[str, object]:
    return {
        "tree": tree.name,
        "location": tree.location,
        "objects": tree.objects,
        "bytes": tree.size_bytes,
        "last_used": tree.last_used,
        "in_use": tree.in_use,
    }


def _row(tree: Listed, *, whole: bool) -> tuple[str, ...]:
    return (
        tree.name if whole else tree.name[:_NAME_SHOWN],
        tree.location if whole else shortened(tree.location, _LOCATION_SHOWN),
        f"{tree.objects:,}",
        format_bytes(tree.size_bytes),
        clock_time(tree.last_used),
        "yes" if tree.in_use else "no",
    )
