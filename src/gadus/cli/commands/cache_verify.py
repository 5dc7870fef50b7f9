"""``gadus cache verify``."""

from __future__ import annotations

import click

from gadus.cli.lazy import Command, settings_of
from gadus.cli.place import say_if_elsewhere
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import count_of, printable
from gadus.core.units import format_bytes
from gadus.runner.cache import Cache, Verified


@click.command(cls=Command)
@click.option("--all", "thorough", is_flag=True, help="Every digest that is known, also SHA-256 where a CRC would do: slower.")
@click.pass_context
def verify_cache(ctx: click.Context, /, *, thorough: bool, as_json: bool) -> int:
    """
    Read every input that is kept here, and compare it with what came when it was fetched.

    A damaged one is removed, so that the next job fetches again what is damaged of it. Exit code 1 if there was any.
    """
    say_if_elsewhere(ctx)
    settings = settings_of(ctx)
    cache = Cache(settings.cache_dir, limit_bytes=settings.cache_limit_bytes)
    checked = []
    for tree in cache.verify(thorough=thorough):
        checked.append(tree)
        if not as_json and tree.damaged_objects:
            _show(tree)
    damaged = [tree for tree in checked if tree.damaged_objects]
    if as_json:
        write_document({"trees": [_record(tree) for tree in checked], "damaged": len(damaged)}, "json")
    else:
        objects, digests = sum(tree.objects for tree in checked), sum(tree.digests for tree in checked)
        size = format_bytes(sum(tree.size_bytes for tree in checked))
        click.echo(
            f"{count_of(len(checked), 'tree')} with {count_of(objects, 'object')} ({size}) checked, "
            f"{digests:,} by a digest and the others by their size; {count_of(len(damaged), 'tree')} damaged"
        )
    return 1 if damaged else 0


def _show(tree: Verified) -> None:
    outcome = "removed" if tree.removed else "still in use: run this again when the job that uses it has ended"
    click.echo(f"{tree.name} of {printable(tree.location)}: {count_of(tree.damaged_objects, 'damaged object')}; {outcome}")
    for path in tree.damaged:
        click.echo(f"  {printable(path)}")
    if tree.damaged_objects > len(tree.damaged):
        click.echo(f"  … and {tree.damaged_objects - len(tree.damaged)} more")


def _record(tree: Verified) -> dict[str, object]:
    return {
        "tree": tree.name,
        "location": tree.location,
        "objects": tree.objects,
        "bytes": tree.size_bytes,
        "checked_by_digest": tree.digests,
        "damaged_objects": tree.damaged_objects,
        "first_damaged": tree.damaged,
        "removed": tree.removed,
    }
