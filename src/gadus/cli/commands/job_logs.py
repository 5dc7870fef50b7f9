"""``gadus job logs``: what programs wrote, also while they are still writing in another process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from gadus.cli.flags.values import whole
from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.ending import as_line, head_of
from gadus.cli.show.relay import Prefixed
from gadus.config import Settings
from gadus.contracts import Stream
from gadus.core.errors import NotFound
from gadus.core.job import Execution, Job
from gadus.orchestrator.service import Service
from gadus.runner.ring_reader import RingReader
from gadus.wiring import open_service

_LOOK_SECONDS = 0.2
_BLOCK_BYTES = 1 << 16
_DESCRIPTORS = {Stream.STDOUT: 1, Stream.STDERR: 2}


@click.command(cls=Command)
@click.argument("job")
@click.option("-e", "--execution-id", default="", help="Only this execution, by its id or the beginning of it.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("-t", "--tail", type=whole(0, 2**31, "20"), default=None, help="Only the last so many lines of each stream.")
@click.pass_context
def logs(ctx: click.Context, /, job: str, execution_id: str, tail: int | None, *, follow: bool, as_json: bool) -> None:
    """Print what the program of JOB wrote: its standard output and its standard error, each to ours."""
    settings = settings_of(ctx)
    with open_service(settings) as service:
        found = service.find(job)
        if as_json:
            click.echo(as_line(_document(found, found.chosen(execution_id), settings)))
            return
        chosen = found.chosen(execution_id)
        if not chosen and not follow:
            raise NotFound(f"no executions found for job {found.id}", hint="wait for it with --follow")
        _Tails(settings, execution_id, tail).print_all(found, service, follow=follow)


class _Tails:
    """The streams of a job's executions, each read on from where it was."""

    def __init__(self, settings: Settings, wanted: str, lines: int | None) -> None:
        self._settings = settings
        self._wanted = wanted
        self._lines = lines
        self._readers: dict[tuple[str, Stream], Iterator[bytes]] = {}
        self._marks: dict[tuple[str, Stream], Prefixed] = {}

    def print_all(self, job: Job, service: Service, *, follow: bool) -> None:
        """Print what there is; with `follow` go on until the job has ended and everything is printed."""
        while True:
            # Looked at before reading: what was written until then is printed in this round.
            ended = job.state.final and not job.live
            for execution in job.chosen(self._wanted if job.executions else ""):
                for stream in Stream:
                    self._print(job, execution, stream)
            if ended or not follow:
                break
            time.sleep(_LOOK_SECONDS)
            job = service.find(job.id)
        for mark in self._marks.values():
            mark.end()

    def _print(self, job: Job, execution: Execution, stream: Stream) -> None:
        key = (execution.id, stream)
        if key not in self._readers:
            file = _open_stream(job, execution, stream, self._settings)
            if file is None:
                return
            if self._lines is not None:
                file.skip_to_last_lines(self._lines)
            self._readers[key] = iter(lambda: file.read(_BLOCK_BYTES), None)
        write = self._writer(job, execution, stream)
        for block in self._readers[key]:
            if not block:
                return
            write(block)

    def _writer(self, job: Job, execution: Execution, stream: Stream) -> Callable[[bytes], None]:
        descriptor = _DESCRIPTORS[stream]
        if job.spec.count < 2 or self._wanted:
            return lambda data: _write(descriptor, data)
        key = (execution.id, stream)
        if key not in self._marks:
            self._marks[key] = Prefixed(execution.index, lambda data: _write(descriptor, data))
        return self._marks[key].feed


def _open_stream(job: Job, execution: Execution, stream: Stream, settings: Settings) -> RingReader | None:
    """The kept stream, or the growing one of a program that still runs; None when there is neither."""
    for _ in range(2):
        for directory in _places(job, execution, settings):
            try:
                return RingReader(directory / stream.value)
            except OSError:
                continue
    return None


def _places(job: Job, execution: Execution, settings: Settings) -> tuple[Path, Path]:
    return settings.results_of(job.id, execution.id), settings.growing_results_of(execution.id)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _document(job: Job, chosen: list[Execution], settings: Settings) -> dict[str, object]:
    executions = []
    for one in chosen:
        texts: dict[str, object] = {"id": one.id, "index": one.index, "state": one.state.value}
        for stream in Stream:
            found = [head_of(place / stream.value) for place in _places(job, one, settings)]
            texts[stream.value], texts[f"{stream.value}_truncated"] = max(found, key=lambda kept: len(kept[0]))
        executions.append(texts)
    return {"job_id": job.id, "state": job.state.value, "executions": executions}
