"""How far something long is, in one line on a terminal, erased at its end; nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def counting(what: str, *, hidden: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Gives what is to be told of how many are done, and how many there are."""
    shown = not hidden and sys.stderr.isatty()

    def told(done: int, total: int) -> None:
        if shown:
            click.echo(f"\r{done:,} of {total:,} {what}\x1b[K", nl=False, err=True)

    try:
        yield told
    finally:
        if shown:
            click.echo("\r\x1b[K", nl=False, err=True)
