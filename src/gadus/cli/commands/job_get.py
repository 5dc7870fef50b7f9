"""``gadus job get``: copies what a job left to a directory of the user's own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from gadus.cli.lazy import Command, settings_of
from gadus.cli.show.ending import answers, as_line
from gadus.cli.show.failures import say, say_labelled
from gadus.cli.show.text import printable, short_id
from gadus.core.errors import Conflict, DiskFull, InputUnreadable, NotFound
from gadus.core.job import Execution, Job
from gadus.orchestrator.service import Service
from gadus.wiring import open_service

_APPENDED = ("stdout", "stderr", "exitCode")
_RECEIPT = "receipt.json"


@click.command(cls=Command)
@click.argument("job")
@click.option("--output-dir", default="", metavar="DIR", help="A new directory.  [default: ./job-<short id>]")
@click.option("--raw", is_flag=True, help="One directory for each execution instead of one for all.")
@click.option("--download-timeout-secs", hidden=True, default=None)
@click.pass_context
def get(
    ctx: click.Context, /, job: str, output_dir: str, *, raw: bool, download_timeout_secs: str | None, as_json: bool
) -> None:
    """Copy the results of JOB to a new directory: stdout, stderr, exitCode, receipt.json, and each result path by its name."""
    del download_timeout_secs  # nothing is downloaded: results are on this machine
    with open_service(settings_of(ctx)) as service:
        found = service.find(job)
        into = Path(output_dir or f"job-{short_id(found.id)}")
        # Of a job without an answer, what it wrote until it was cut short.
        kept = [one for one in answers(found) or found.executions if service.results(found, one).is_dir()]
        if not kept:
            raise NotFound(f"No results found for job {found.id}, which is {found.state.value}", hint=_why_nothing(found))
        skipped = _copy_all(found, kept, service, into, raw=raw)
    for path in skipped:
        say_labelled("Warning", f"{path} is neither a file, a directory nor a link and was left out")
    if as_json:
        click.echo(
            as_line({"job_id": found.id, "output_dir": str(into.absolute()), "executions": len(kept), "left_out": skipped})
        )
    else:
        say(f"Results for job {found.id} have been written to")
        click.echo(str(into))


def _why_nothing(job: Job) -> str:
    return f"`gadus job describe {short_id(job.id)}` tells what happened" if job.state.final else "wait until it has ended"


def _copy_all(job: Job, kept: Sequence[Execution], service: Service, into: Path, *, raw: bool) -> list[str]:
    """Make `into` whole or not at all; returns what could not be copied."""
    if into.is_symlink() or (into.exists() and not _is_empty_directory(into)):
        raise Conflict(f"{str(into)!r} exists already", hint="choose another directory with --output-dir, or remove it")
    copy = _Copy()
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{into.name}-", dir=into.parent) as temporary:
            whole = Path(temporary, "results")
            whole.mkdir()
            for one in kept:
                copy.tree(service.results(job, one), whole / one.id if raw else whole)
            if not raw:
                copy.write_receipts(whole)
            whole.rename(into)
    except PermissionError as exc:
        raise InputUnreadable(
            f"a result cannot be copied: {exc}", hint="run the command as the user the program ran as"
        ) from exc
    except OSError as exc:
        raise DiskFull(
            f"the results cannot be written to {str(into)!r}: {exc}", hint="choose another directory with --output-dir"
        ) from exc
    return copy.left_out


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


class _Copy:
    """Copies executions into one directory; never follows a link that a program left."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._receipts: list[object] = []

    def tree(self, source: Path, into: Path) -> None:
        """Everything below `source`; own output is appended to what an earlier execution left. Raises Conflict."""
        into.mkdir(exist_ok=True)
        todo = [(source, into, True)]
        while todo:
            directory, target, at_top = todo.pop()
            for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
                place = target / entry.name
                if entry.is_dir(follow_symlinks=False):
                    place.mkdir(exist_ok=True)
                    todo.append((Path(entry.path), place, False))
                elif at_top and entry.name in _APPENDED:
                    _append(Path(entry.path), place)
                elif at_top and entry.name == _RECEIPT:
                    self._receipts.append(json.loads(Path(entry.path).read_text()))
                    shutil.copyfile(entry.path, place)
                else:
                    self._one(entry, place)

    def write_receipts(self, into: Path) -> None:
        """The receipts of several executions as one list; that of a single one stays as it is."""
        if len(self._receipts) > 1:
            (into / _RECEIPT).write_text(json.dumps(self._receipts, indent=2) + "\n")

    def _one(self, entry: os.DirEntry[str], place: Path) -> None:
        if place.is_symlink() or place.exists():
            raise Conflict(f"cannot merge results as output already exists: {place.name}", hint="Try --raw to keep them apart")
        if entry.is_symlink():
            place.symlink_to(Path(entry.path).readlink())
        elif entry.is_file(follow_symlinks=False):
            shutil.copyfile(entry.path, place)
            place.chmod(stat.S_IMODE(entry.stat().st_mode) & 0o777)
        else:
            self.left_out.append(printable(entry.path))


def _append(source: Path, place: Path) -> None:
    with source.open("rb") as kept, place.open("ab") as merged:
        shutil.copyfileobj(kept, merged)
