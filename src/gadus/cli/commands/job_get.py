"""``gadus job get``: copies what a job left to a directory of the user's own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from gadus.cli.asking import asking
from gadus.cli.flags.values import Parsed
from gadus.cli.flags.which import which_of, with_version
from gadus.cli.lazy import Command
from gadus.cli.show.failures import say, say_labelled
from gadus.cli.show.tables import write_document
from gadus.cli.show.text import printable, short_id
from gadus.client import Api, Document
from gadus.client.api import in_path
from gadus.client.merging import Merged
from gadus.client.results import Result, Results
from gadus.client.unpacking import kept, unpacked
from gadus.config.values import duration
from gadus.core.errors import Conflict, DiskFull, InputUnreadable, NotFound, Unavailable
from gadus.core.units import format_seconds

_DURATION = Parsed("DURATION", duration, "5m0s")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is wanted of which job, and where."""

    job: str
    query: dict[str, str | int | bool]
    output_dir: str
    apart: bool


@dataclass(frozen=True, slots=True)
class _Got:
    job: Document
    into: Path
    executions: int
    left_out: Sequence[str]


@click.command(cls=Command)
@click.argument("job")
@click.option("--output-dir", default="", metavar="DIR", help="A new directory.  [default: ./job-<short id>]")
@click.option("--raw", is_flag=True, help="One directory for each execution instead of one for all.")
@click.option("--download-timeout-secs", "seconds", type=_DURATION, default=None, help="Give up after so long: 300, 5m0s.")
@click.option("--ipfs-connect", hidden=True, default="")
@with_version
@click.pass_context
def get(
    ctx: click.Context, /, job: str, output_dir: str, *, raw: bool, seconds: float | None, as_json: bool, **flags: Any
) -> None:
    """
    Copy the results of JOB to a new directory: stdout, stderr, exitCode, receipt.json, and each result path by its name.

    JOB/PATH copies one file or directory of them.
    """
    wish = _Wish(job, which_of(flags), output_dir, apart=raw)

    async def ask(api: Api) -> _Got:
        try:
            async with asyncio.timeout(seconds or None):
                return await _get(api, wish)
        except TimeoutError as exc:
            limit = format_seconds(seconds or 0)
            raise Unavailable(
                f"the results did not come within {limit}", hint="give more time with --download-timeout-secs; nothing was kept"
            ) from exc

    got = asking(ctx, ask)
    for name in got.left_out:
        say_labelled("Warning", f"{name} is neither a file, a directory nor a link within the results and was left out")
    if as_json:
        told = {"job_id": got.job["ID"], "output_dir": str(got.into.absolute()), "executions": got.executions}
        write_document(told | {"left_out": list(got.left_out)}, "json")
    else:
        say(f"Results for job {got.job['ID']} have been written to")
        click.echo(str(got.into))


async def _get(api: Api, wish: _Wish) -> _Got:
    job, only = await _found(api, wish)
    into = Path(wish.output_dir or f"job-{short_id(job['ID'])}")
    if into.is_symlink() or (into.exists() and not _is_empty_directory(into)):
        raise Conflict(f"{str(into)!r} exists already", hint="choose another directory with --output-dir, or remove it")
    results = Results(api)
    wanted = await results.of(job, wish.query)
    with _whole(into) as root:
        merged = Merged(root, apart=wish.apart, only=only)
        came = [one for one in wanted if await _came(results, job, one, merged)]
        if not came:
            raise NotFound(
                f"No results found for job {job['ID']}, which is {job['State']['StateType']}", hint=_why_nothing(job)
            )
        if only and not merged.files:
            raise NotFound(f"the results of job {job['ID']} have no {only}", hint=f"without /{only}, all of them are copied")
        merged.finish()
    return _Got(job, into, len(came), [printable(name) for name in merged.left_out])


async def _found(api: Api, wish: _Wish) -> tuple[Document, str]:
    """The job that is wanted, and the path of its results that is, if it is but one."""
    query = {"namespace": wish.query["namespace"]}

    async def named(text: str) -> Document:
        job: Document = (await api.ask("GET", f"/orchestrator/jobs/{in_path(text)}", query=query))["Job"]
        return job

    try:
        return await named(wish.job), ""
    except NotFound:
        # A job may be named with a slash: only then is it known that this one is not.
        name, slash, path = wish.job.partition("/")
        if not (slash and name and path.strip("/")):
            raise
        return await named(name), path.strip("/")


async def _came(results: Results, job: Document, result: Result, merged: Merged) -> bool:
    """Whether there was something to fetch of an execution."""
    try:
        async with results.read(job, result) as body:
            if result.is_archive:
                await unpacked(body, merged, result.name)
            else:
                await kept(body, merged, result.name)
    except NotFound:
        return False
    return True


def _why_nothing(job: Document) -> str:
    ended = job["State"]["StateType"] in ("Completed", "Failed", "Stopped")
    return f"`gadus job describe {short_id(job['ID'])}` tells what happened" if ended else "wait until it has ended"


@contextmanager
def _whole(into: Path) -> Iterator[Path]:
    """A directory that becomes `into` at the end of the block, and is removed when it is left otherwise."""
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{into.name}-", dir=into.parent) as temporary:
            root = Path(temporary, "results")
            root.mkdir()
            yield root
            root.rename(into)
    except PermissionError as exc:
        hint = "run the command as a user who may read the results, and write there"
        raise InputUnreadable(f"a result cannot be copied: {exc}", hint=hint) from exc
    except OSError as exc:
        hint = "choose another directory with --output-dir"
        raise DiskFull(f"the results cannot be written to {str(into)!r}: {exc}", hint=hint) from exc


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
