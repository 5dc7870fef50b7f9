"""Follows a job to its end that was begun just now, and that somebody else runs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress

from gadus.cli.show.ended import Document, Written
from gadus.cli.show.failures import Interrupted, say, say_labelled
from gadus.cli.show.running import say_end, say_submitted
from gadus.client import Api
from gadus.core.errors import Unavailable

from .follow_afar import Following
from .interrupts import run_interruptible
from .manner import Manner
from .outputs import Outputs, outputs_of
from .shape import Begun

_TIMES_PATIENT = 2
"""A server may be away for so many times the time that an answer may take."""


def follow_begun(
    opened: Callable[[], AbstractAsyncContextManager[Api]],
    begin: Callable[[Api], Awaitable[Begun | None]],
    manner: Manner,
    *,
    seconds: float,
) -> int:
    """
    The exit code of the job that `begin` begins; 0 when it begins none. It is somebody else who runs it.

    `seconds` is how long an answer may take.
    """
    run = _Run(opened, begin, manner, seconds * _TIMES_PATIENT)
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
    def __init__(
        self,
        opened: Callable[[], AbstractAsyncContextManager[Api]],
        begin: Callable[[Api], Awaitable[Begun | None]],
        manner: Manner,
        patient_seconds: float,
    ) -> None:
        self._opened = opened
        self._begin = begin
        self._manner = manner
        self._patient_seconds = patient_seconds
        self._following: Following | None = None
        self.job_id = ""

    async def through(self) -> int:
        async with self._opened() as api:
            began = time.monotonic()
            begun = await self._begin(api)
            if begun is None:
                return 0
            self.job_id = begun.job_id
            if not (self._manner.quiet or self._manner.hide_warnings):
                for warning in begun.warnings:
                    say_labelled("Warning", warning)
            say_submitted(self.job_id, self._manner)
            if not self._manner.wait:
                return 0
            return await self._followed(api, begun, began)

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

    async def _followed(self, api: Api, begun: Begun, began: float) -> int:
        self._following = Following(api, begun, self._manner, patient_seconds=self._patient_seconds)
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
