"""Follows a job of a server to its end: its history by asking again and again, its output as a stream."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

from gadus.cli.show.ended import Document, Ended
from gadus.cli.show.failures import say_labelled
from gadus.cli.show.output import Output
from gadus.cli.show.relay import unwritable
from gadus.cli.show.steps import NoSteps, Steps, steps_for_people
from gadus.client import Api
from gadus.client.api import Value, in_path
from gadus.client.paging import with_all_executions
from gadus.contracts import Stream
from gadus.core.errors import Conflict, Unavailable

from .frames import Frame, frames_of
from .history import History
from .manner import Manner
from .patience import Patience
from .shape import Begun

_FIRST_SECONDS = 0.2
_LONGEST_SECONDS = 2.0
"""So often the history is asked for: soon after something happened, then less and less."""
_PAGE = 500
_FINAL = ("Completed", "Failed", "Stopped")


class Following:
    """One job that is followed. A server that is away for a while is asked again."""

    def __init__(self, api: Api, begun: Begun, manner: Manner, *, patient_seconds: float) -> None:
        """`patient_seconds` is how long a server may be away."""
        self._api = api
        self._job_id = begun.job_id
        self._edition = begun.edition
        self._path = f"/orchestrator/jobs/{in_path(begun.job_id)}"
        self._many = begun.shape.many
        self._ends_at_running = begun.shape.endless and not manner.follow
        self._manner = manner
        self._steps: Steps = steps_for_people() if manner.shows_progress else NoSteps()
        self._history = History(begun.shape)
        self._output: Output | None = None
        self._all_came = asyncio.Event()
        self._passed: Counter[tuple[str, Stream]] = Counter()
        self._patient_seconds = patient_seconds
        self._told_away = False

    async def to_the_end(self) -> Ended:
        """The ended job, with all its output passed on. Raises Unavailable when the server is away for too long."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watched())
                helpers: list[asyncio.Task[Any]] = []
                if self._manner.shows_output and not self._ends_at_running:
                    self._begin_output(watching, helpers)
                    helpers.append(group.create_task(self._pass_on()))
                if self._manner.wait_seconds:
                    patience = group.create_task(self._stop_after(self._manner.wait_seconds))
                    watching.add_done_callback(lambda _: patience.cancel())
            if self._output:
                await self._output.drain()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            self.close()
        if self._output and self._output.failure:
            raise unwritable(self._output.failure, "it runs on")
        return watching.result()

    def let_go(self) -> None:
        """Nothing waits for a slow reader any more."""
        if self._output:
            self._output.let_go()

    def close(self) -> None:
        """The terminal is as it was, at the beginning of a line."""
        self._steps.close()
        if self._output:
            self._output.end_line()

    def _begin_output(self, watching: asyncio.Task[Ended], helpers: list[asyncio.Task[Any]]) -> None:
        loop = asyncio.get_running_loop()

        def lost() -> None:
            for task in (watching, *helpers):
                loop.call_soon_threadsafe(task.cancel)

        self._output = Output(lost, many=self._many)

    async def _watched(self) -> Ended:
        patience = self._patience()
        token, pause = "", _FIRST_SECONDS
        while True:
            answer = await patience.asked(partial(self._next_entries, token))
            items, token = answer.get("Items") or [], answer["NextToken"]
            self._show(items, goes_on=bool(token))
            if not token or (self._ends_at_running and self._history.runs):
                return await patience.asked(self._described)
            if len(items) < _PAGE:
                await self._until_over(pause)
            pause = _FIRST_SECONDS if items else min(pause * 1.5, _LONGEST_SECONDS)

    async def _until_over(self, seconds: float) -> None:
        """So long, or until all output has come: then the job has ended, and nothing is waited for."""
        if self._all_came.is_set():
            await asyncio.sleep(_FIRST_SECONDS)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_came.wait()

    async def _next_entries(self, token: str) -> Document:
        query: dict[str, Value] = {"next_token": token, "limit": _PAGE, "job_version": self._edition}
        return await self._api.ask("GET", f"{self._path}/history", query=query)

    def _show(self, items: list[Document], *, goes_on: bool) -> None:
        for item in items:
            for line in self._history.after(item):
                self._steps.tell(line)
            failure = self._history.failure_of(item)
            if failure and goes_on:
                self._steps.close()
                say_labelled("Warning", f"{failure}; trying again")
        self._steps.show(self._history.line)

    async def _described(self) -> Ended:
        answer = await self._api.ask("GET", self._path, query={"include": "executions"})
        job = answer["Job"]
        if self._taken_over(job):
            hint = f"gadus job describe --version {self._edition} {self._job_id}"
            raise Conflict(f"job {self._job_id} was run again meanwhile, as version {job['Version']}", hint=hint)
        executions = (await with_all_executions(self._api, answer))["Executions"]["Items"]
        return Ended(job, [one for one in executions if one.get("JobVersion", 0) == job.get("Version", 0)])

    def _taken_over(self, job: Document) -> bool:
        """Whether the version that is followed is not the latest any more."""
        return bool(self._edition) and job["Version"] != self._edition

    async def _pass_on(self) -> None:
        """The output, until the job has ended. After a break it comes from its beginning: what was passed on is left out."""
        patience = self._patience()
        while True:
            try:
                async with frames_of(self._api, self._job_id, follow=True, query={"job_version": self._edition}) as frames:
                    known = self._passed.copy()
                    async for frame in frames:
                        patience.found()
                        self._pass(frame, known)
                answer = await self._api.ask("GET", self._path)
            except Unavailable as exc:
                await patience.lost(exc)
                continue
            if answer["Job"]["State"]["StateType"] in _FINAL or self._taken_over(answer["Job"]):
                self._all_came.set()
                return
            # The server ended, and has begun again.
            await asyncio.sleep(_FIRST_SECONDS)

    def _pass(self, frame: Frame, known: Counter[tuple[str, Stream]]) -> None:
        key = (frame.execution, frame.stream)
        left_out = min(known[key], len(frame.data))
        known[key] -= left_out
        data = frame.data[left_out:]
        if data and self._output:
            self._passed[key] += len(data)
            self._steps.close()
            self._output.put(frame.index, frame.stream, data)

    async def _stop_after(self, seconds: int) -> None:
        await asyncio.sleep(seconds)
        query, body = {"job_version": self._edition}, {"reason": f"not done after --wait-timeout-secs {seconds}"}
        with suppress(Conflict):  # it has just ended by itself
            await self._patience().asked(lambda: self._api.ask("DELETE", self._path, query=query, body=body))

    def _patience(self) -> Patience:
        return Patience(self._away, seconds=self._patient_seconds)

    def _away(self, error: Unavailable) -> None:
        if not self._told_away:
            self._told_away = True
            self._steps.close()
            say_labelled("Warning", f"{error.message}; asking again for {self._patient_seconds:.0f} s")
