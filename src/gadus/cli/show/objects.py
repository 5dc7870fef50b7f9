"""The objects of an input as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from gadus.core.units import format_bytes

from .text import printable

SHORT_DIGEST = 12
"""So much of a manifest's digest is shown to people: enough to tell two manifests apart."""


def show_first(target: str, first: Sequence[Mapping[str, Any]], objects: int) -> None:
    """The `first` of all objects of the input for `target`, with their sizes, and how many more there are."""
    if not first:
        return
    click.echo(f"{printable(target)} begins with:")
    for item in first:
        size = format_bytes(item["bytes"]) if item["bytes"] >= 0 else "unknown"
        click.echo(f"  {size:>10}  {printable(item['key'])}")
    if objects > len(first):
        click.echo(f"  {'':>10}  … and {objects - len(first):,} more")


def verified_in_words(objects_by_check: Mapping[str, int]) -> str:
    """What objects were checked against: "SHA-256", or with numbers, when not all by the same."""
    if len(objects_by_check) < 2:
        return next(iter(objects_by_check), "size")
    return ", ".join(f"{check} of {number:,}" for check, number in objects_by_check.items())
