"""Looks ahead for a job and shows what was found."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import click

from gadus.cli.show.failures import say, say_labelled
from gadus.cli.show.plan import show
from gadus.cli.show.text import count_of
from gadus.client import Api, Document
from gadus.client.opening import remote_api
from gadus.config import ClientSettings, Settings
from gadus.core import errors
from gadus.core.errors import GadusError, Rejected, Unavailable
from gadus.core.spec import JobSpec
from gadus.core.units import format_bytes

from .interrupts import run_interruptible
from .manner import Manner


def plan_here(settings: Settings, spec: JobSpec, manner: Manner) -> int:
    """The exit code of `gadus plan` for this machine: 0 when the job can run, 2 when it cannot."""
    # Only here: who asks a server needs none of it.
    from gadus.web.planned import plan_document  # noqa: PLC0415
    from gadus.wiring import open_service  # noqa: PLC0415

    told = _nothing if manner.quiet else _Listing().told
    with open_service(settings) as service:
        return _shown(plan_document(run_interruptible(service.plan(spec, told))), manner)


def plan_there(client: ClientSettings, spec: JobSpec, manner: Manner) -> int:
    """The same for a server."""

    async def ask() -> Document:
        async with remote_api(client) as api:
            return await _asked(api, spec, _nothing if manner.quiet else _Listing().told)

    answer = run_interruptible(ask())
    if not (manner.quiet or manner.hide_warnings):
        for warning in answer.get("Warnings") or ():
            say_labelled("Warning", warning)
    return _shown(answer["Plan"], manner)


def _shown(plan: Document, manner: Manner) -> int:
    if manner.as_json:
        click.echo(json.dumps(plan))
    else:
        show(plan)
    return Rejected.exit_code if plan["problems"] else 0


async def _asked(api: Api, spec: JobSpec, told: Callable[[int, int], None]) -> Document:
    listed = {"Objects": 0, "Bytes": 0}
    async with api.lines("/orchestrator/plan", body={"Job": spec.to_wire()}) as documents:
        async for document in documents:
            if "Plan" in document:
                return document
            if error := document.get("Error"):
                raise _error_of(error)
            before, listed = listed, document["Listed"]
            if listed != before:
                told(listed["Objects"] - before["Objects"], listed["Bytes"] - before["Bytes"])
    raise Unavailable("the server ended before it had a plan", hint="ask again")


def _error_of(told: Document) -> GadusError:
    kind = getattr(errors, told["Kind"], None)
    if isinstance(kind, type) and issubclass(kind, GadusError) and kind is not errors.InvalidSpec:
        return kind(told["Message"], hint=told["Hint"])
    return Unavailable(told["Message"], hint=told["Hint"])


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
