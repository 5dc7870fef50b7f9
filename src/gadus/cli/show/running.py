"""What is said of a run when it begins and when it is over, in the manner that was asked for."""

from __future__ import annotations

import click

from gadus.cli.manner import Manner

from .ended import Ended, WrittenBy
from .ending import as_line, document, say_ending, say_failure, say_results_by_node
from .failures import say


def say_submitted(job_id: str, manner: Manner) -> None:
    """The job's id: for scripts on standard output, for people on standard error."""
    if manner.id_only or not (manner.wait or manner.as_json):
        click.echo(job_id)
    elif manner.shows_progress:
        say(f"Job {job_id}")
    if manner.as_json and not (manner.wait or manner.id_only):
        click.echo(as_line({"job_id": job_id, "state": "queued"}))


def say_end(ended: Ended, manner: Manner, total_seconds: float, written: WrittenBy) -> None:
    """How it ended."""
    if manner.shows_progress:
        say_ending(ended, total_seconds)
    say_failure(ended)
    if manner.node_details:
        say_results_by_node(ended, written)
    if manner.as_json and not manner.id_only:
        click.echo(as_line(document(ended, written)))
