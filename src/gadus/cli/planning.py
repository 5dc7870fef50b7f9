"""Looks ahead for a job and shows what was found."""

from __future__ import annotations

import json
import time

import click

from gadus.cli.show.failures import say
from gadus.cli.show.plan import document, show
from gadus.cli.show.text import count_of
from gadus.core.errors import Rejected
from gadus.core.spec import JobSpec
from gadus.core.units import format_bytes
from gadus.orchestrator.service import Service

from .interrupts import run_interruptible


def plan_job(service: Service, spec: JobSpec, *, quiet: bool, as_json: bool) -> int:
    """The exit code of `gadus plan`: 0 when the job can run, 2 when it cannot."""
    listing = _Listing()
    told = _nothing if quiet else listing.told
    plan = run_interruptible(service.plan(spec, told))
    if as_json:
        click.echo(json.dumps(document(plan)))
    else:
        show(plan)
    return Rejected.exit_code if plan.problems else 0


def _nothing(*_: int) -> None:
    """No progress wanted, nothing to wake up, nothing left to say."""


class _Listing:
    """A line on standard error when listing takes over a second, and another every two seconds."""

    FIRST_SECONDS = 1.0
    SECONDS_BETWEEN = 2.0

    def __init__(self) -> None:
        self._next: float | None = None
        self._objects = 0
        self._size_bytes = 0

    def told(self, objects: int, size_bytes: int) -> None:
        self._objects += objects
        self._size_bytes += size_bytes
        now = time.monotonic()
        if self._next is None:
            self._next = now + self.FIRST_SECONDS
        elif now >= self._next:
            self._next = now + self.SECONDS_BETWEEN
            say(f"Listing: {count_of(self._objects, 'object')}, {format_bytes(self._size_bytes)} so far")
