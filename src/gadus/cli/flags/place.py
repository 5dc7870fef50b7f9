"""The flag of commands that work on the store itself."""

from __future__ import annotations

import click

STORE = click.option(
    "--store",
    "where",
    default="",
    metavar="PATH|URL",
    help="Another store than that of the data directory: a file, or postgresql://user@host/database.",
)
