"""``gadus job logs``: what programs wrote, also while they are still writing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import click

from gadus.cli.asking import api_of
from gadus.cli.flags.tail import ALL, LINES, NEW, TailCommand
from gadus.cli.flags.which import which_of, with_versions
from gadus.cli.frames import frames_of
from gadus.cli.interrupts import run_interruptible
from gadus.cli.outputs import Outputs
from gadus.cli.show.output import Output
from gadus.cli.show.relay import unwritable
from gadus.cli.show.states import compute_state
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import short_id
from gadus.client import Api, Document
from gadus.client.api import in_path
from gadus.client.paging import listed
from gadus.contracts import Stream
from gadus.core.errors import Unavailable

_ON_EVERY_NODE = ("ops", "daemon")
_FINAL = ("Completed", "Failed", "Stopped")


@click.command(cls=TailCommand)
@click.argument("job")
@click.option("-e", "--execution-id", default="", metavar="ID", help="Only this execution, by its id or the beginning of it.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "-t", "--tail", type=LINES, default=ALL, help="Only the last so many lines of each stream; without a number, only new ones."
)
@with_versions
@click.pass_context
def logs(ctx: click.Context, /, job: str, execution_id: str, tail: int, *, follow: bool, as_json: bool, **flags: Any) -> None:
    """Print what the program of JOB wrote: its standard output and its standard error, each to ours."""
    query = which_of(flags) | {"execution_id": execution_id, "follow": follow} | _of_tail(tail)
    passing = _Passing(job, query)

    async def ask() -> None:
        async with api_of(ctx) as api:
            await (passing.tell(api) if as_json else passing.print(api))

    run_interruptible(ask(), at_once=passing.let_go)


def _of_tail(tail: int) -> dict[str, str | int | bool]:
    if tail == NEW:
        return {"tail": True}
    return {} if tail == ALL else {"lines": str(tail)}


class _Passing:
    """Passes on what the programs of a job wrote."""

    def __init__(self, job: str, query: Mapping[str, Any]) -> None:
        self._wanted = job
        self._query = query
        self._output: Output | None = None

    def let_go(self) -> None:
        """Nothing waits for a slow reader any more."""
        if self._output:
            self._output.let_go()

    async def print(self, api: Api) -> None:
        """To our own streams. Raises Unavailable when it ends before the job does."""
        job = await self._job(api)
        asked = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def lost() -> None:
            if asked:
                loop.call_soon_threadsafe(asked.cancel)

        many = job["Type"] in _ON_EVERY_NODE or job["Count"] > 1
        self._output = Output(lost, many=many and not self._query["execution_id"])
        try:
            async with frames_of(api, job["ID"], query=self._query) as frames:
                async for frame in frames:
                    self._output.put(frame.index, frame.stream, frame.data)
            await self._output.drain()
        except asyncio.CancelledError:
            if self._output.failure:
                raise unwritable(self._output.failure, "the job is not touched") from None
            raise
        if self._query["follow"]:
            await self._check_end(api, job["ID"])

    async def tell(self, api: Api) -> None:
        """As one document, with the beginning of each stream."""
        job = await self._job(api)
        outputs: defaultdict[str, Outputs] = defaultdict(Outputs)
        async with frames_of(api, job["ID"], query=self._query) as frames:
            async for frame in frames:
                outputs[frame.execution].add(frame.stream, frame.data)
        job = await self._job(api)
        told = [_told(one, outputs[one["ID"]]) for one in await self._executions(api, job["ID"])]
        document = {"job_id": job["ID"], "state": job["State"]["StateType"], "executions": told}
        write_document(document, "json")

    async def _executions(self, api: Api, job_id: str) -> list[Document]:
        """Those whose logs these are: the newest of each part."""
        query = {name: self._query[name] for name in ("job_version", "all_job_versions")} | {"order_by": "create_time"}
        every, _ = await listed(api, f"/orchestrator/jobs/{job_id}/executions", query, limit=0)
        meant = [one for one in every if one["ID"].startswith(self._query["execution_id"])]
        newest = {one.get("PartitionIndex", 0): one for one in meant}
        return [newest[index] for index in sorted(newest)]

    async def _job(self, api: Api) -> Document:
        query = {"namespace": self._query["namespace"]}
        job: Document = (await api.ask("GET", f"/orchestrator/jobs/{in_path(self._wanted)}", query=query))["Job"]
        return job

    async def _check_end(self, api: Api, job_id: str) -> None:
        state = (await api.ask("GET", f"/orchestrator/jobs/{job_id}"))["Job"]["State"]["StateType"]
        if state not in _FINAL and not self._query["job_version"] and not self._query["execution_id"]:
            hint = f"follow it again: gadus job logs --follow {short_id(job_id)}"
            raise Unavailable(f"job {job_id} is {state}, but the server sends no more of its logs", hint=hint)


def _told(one: Document, outputs: Outputs) -> Document:
    told = {"id": one["ID"], "index": one.get("PartitionIndex", 0), "state": compute_state(one)}
    for stream in Stream:
        written = outputs.of(stream.value)
        told |= {stream.value: written.text, f"{stream.value}_truncated": written.is_cut}
    return told
