"""``gadus store check``."""

from __future__ import annotations

import click

from gadus.cli.flags.place import STORE
from gadus.cli.lazy import Command, settings_of
from gadus.cli.place import say_if_elsewhere
from gadus.cli.show.counting import counting
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import count_of, printable
from gadus.orchestrator.store.checking import Checked, check


@click.command(cls=Command)
@STORE
@click.pass_context
def check_store(ctx: click.Context, /, *, where: str, as_json: bool) -> int:
    """
    Read every job and event that is kept, and compare each job with what its events make of it.

    A server may go on meanwhile. Exit code 1 if anything is damaged.
    """
    say_if_elsewhere(ctx)
    with counting("jobs checked", hidden=as_json) as told:
        checked = check(where or settings_of(ctx).jobs_at, told)
    if as_json:
        write_document(_record(checked), "json")
    else:
        _show(checked)
    return 1 if checked.damaged else 0


def _show(checked: Checked) -> None:
    for problem in checked.problems:
        click.echo(printable(problem))
    if checked.damaged > len(checked.problems):
        click.echo(f"… and {checked.damaged - len(checked.problems)} more")
    seen = f"{count_of(checked.jobs, 'job')} with {count_of(checked.events, 'event')} read"
    if checked.taken_over:
        seen += f", {checked.taken_over} of them from an earlier version and as they were"
    click.echo(f"{seen}: {count_of(checked.damaged, 'problem') if checked.damaged else 'all as it was written'}")
    if checked.damaged:
        click.echo("`gadus store restore FILE --replace` puts a backup in its place and keeps the damaged store aside")


def _record(checked: Checked) -> dict[str, object]:
    return {
        "jobs": checked.jobs,
        "events": checked.events,
        "taken_over_jobs": checked.taken_over,
        "damaged": checked.damaged,
        "problems": checked.problems,
    }
