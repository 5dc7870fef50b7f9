"""Runs a job on a server, and follows it there to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

import click

from gadus.cli.show.ended import Document, Written
from gadus.cli.show.failures import Interrupted, say, say_labelled
from gadus.cli.show.running import say_end, say_submitted
from gadus.client import Api
from gadus.client.opening import remote_api
from gadus.config import ClientSettings
from gadus.core.errors import Unavailable
from gadus.core.spec import JobSpec

from .follow_afar import Following
from .interrupts import run_interruptible
from .manner import Manner
from .outputs import Outputs, outputs_of
from .run import write_spec
from .submitting import difference, submit

_TIMES_PATIENT = 2
"""A server may be away for so many times the time that an answer may take."""


def run_afar(client: ClientSettings, spec: JobSpec, manner: Manner) -> int:
    """The exit code of a job that the server runs; everything else goes to the two streams."""
    run = _Run(client, spec, manner)
    try:
        return run_interruptible(run.through(), at_once=run.let_go, last_words=run.close)
    except Interrupted as exc:
        if not run.job_id:
            raise
        raise Interrupted(exc.exit_code - 128, last_words=run.goes_on("Printout canceled (the job is still running).")) from exc
    except BrokenPipeError:
        if run.job_id:
            say(run.goes_on("Nobody reads the output any more (the job is still running)."))
        raise


class _Run:
    def __init__(self, client: ClientSettings, spec: JobSpec, manner: Manner) -> None:
        self._client = client
        self._spec = spec
        self._manner = manner
        self._following: Following | None = None
        self.job_id = ""

    async def through(self) -> int:
        async with remote_api(self._client) as api:
            if self._manner.dry_run:
                await self._show(api)
                return 0
            began = time.monotonic()
            self.job_id, warnings = await submit(api, self._spec, force=self._manner.force)
            if not (self._manner.quiet or self._manner.hide_warnings):
                for warning in warnings:
                    say_labelled("Warning", warning)
            say_submitted(self.job_id, self._manner)
            if not self._manner.wait:
                return 0
            return await self._followed(api, began)

    def let_go(self) -> None:
        """Nothing waits for a slow reader any more."""
        if self._following:
            self._following.let_go()

    def close(self) -> None:
        """The terminal is as it was."""
        if self._following:
            self._following.close()

    def goes_on(self, first: str) -> str:
        """Lines about a job that nobody follows any more."""
        return (
            f"{first}\nTo get more details about the run, execute:\n\tgadus job describe {self.job_id}\n"
            f"To stop it, execute:\n\tgadus job stop {self.job_id}"
        )

    async def _show(self, api: Api) -> None:
        """What would be sent, or what it would change."""
        changes = None if self._manner.as_json else await difference(api, self._spec)
        if changes is None:
            write_spec(self._spec, as_json=self._manner.as_json)
        else:
            click.echo(changes, nl=not changes.endswith("\n"))

    async def _followed(self, api: Api, began: float) -> int:
        patient = self._client.timeout_seconds * _TIMES_PATIENT
        self._following = Following(api, self.job_id, self._spec, self._manner, patient_seconds=patient)
        try:
            ended = await self._following.to_the_end()
        except Unavailable as exc:
            hint = (
                f"the job {self.job_id} goes on there: gadus job describe {self.job_id}, gadus job logs --follow {self.job_id}"
            )
            raise Unavailable(exc.message, hint=hint) from exc
        written: Mapping[str, Outputs] = {}
        if self._manner.node_details or (self._manner.as_json and not self._manner.id_only):
            written = await outputs_of(api, ended)
        say_end(ended, self._manner, time.monotonic() - began, lambda one, stream: _written(written, one, stream))
        if ended.state == "running":
            say(self.goes_on(f"Job {self.job_id} is running."))
        return ended.exit_code


def _written(written: Mapping[str, Outputs], one: Document, stream: str) -> Written:
    with suppress(KeyError):
        return written[one["ID"]].of(stream)
    return Written()
