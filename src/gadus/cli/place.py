"""Commands that work on this machine say so when a server is named."""

from __future__ import annotations

import click

from .lazy import client_of
from .show.failures import say_labelled


def say_if_elsewhere(ctx: click.Context) -> None:
    """One line on standard error, if somebody may take the answer for that of a server."""
    client = client_of(ctx)
    if client.endpoint:
        say_labelled("Note", f"this is about this machine, not about {client.endpoint} (from {client.origin})")
