"""
What a shim and its server tell each other, in files.

    <data>/shims/<execution id>.lock      held by the living shim
    <data>/shims/<execution id>/order.json     what to run                     by the server, before the shim
                                shim.json      which process it is             by the shim, before anything else
                                journal        a line for each event           by the shim
                                exit.json      how it ended                    by the shim, last: whole or not there

Whoever finds no lock held, no exit and a shim.json finds an execution that was lost; without a shim.json, one that never began.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from gadus.claim import held
from gadus.core.job import Execution, Job, Outcome, Phase, Pin, Record

from .identity import Identity

_LONGEST_LINE_BYTES = 16 << 20


class Order(Record):
    """One execution of a job; `job` without its other executions, which may be very many."""

    job: Job
    execution: Execution


class Entered(Record):
    """The execution entered a phase."""

    kind: Literal["entered"] = "entered"
    at: float
    phase: Phase


class Learned(Record):
    """One input is known whole."""

    kind: Literal["learned"] = "learned"
    at: float
    pin: Pin


class Exit(Record):
    """How the execution ended."""

    at: float
    outcome: Outcome


Entry = Annotated[Entered | Learned, Field(discriminator="kind")]
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


class Records:
    """The files of one execution, below the directory of all shims."""

    def __init__(self, shims_dir: Path, execution_id: str) -> None:
        self.root = shims_dir / execution_id
        self.claim = self.root
        self._read_up_to = 0

    def order(self, job: Job, execution: Execution) -> None:
        """Say what is to be run; saying it again changes nothing."""
        if not self._order.exists():
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            alone = job.model_copy(update={"executions": (execution,), "vacancies": ()})
            _put(self._order, Order(job=alone, execution=execution).model_dump_json())

    def ordered(self) -> Order:
        """What is to be run."""
        return Order.model_validate_json(self._order.read_bytes())

    def begin(self, process: Identity) -> bool:
        """Say which process runs it, holding the lock; False when it was begun before, and must not be begun again."""
        if self._shim.exists() or self._exit.exists():
            return False
        _put(self._shim, json.dumps(asdict(process)))
        return True

    def process(self) -> Identity | None:
        """Which process runs, or ran, it; None when it was never begun."""
        try:
            return Identity(**json.loads(self._shim.read_bytes()))
        except FileNotFoundError:
            return None

    def write(self, entry: Entry) -> None:
        """Add a line to the journal."""
        with self._journal.open("ab") as journal:
            journal.write(entry.model_dump_json().encode() + b"\n")

    def news(self) -> Sequence[Entry]:
        """What the journal says beyond what this object read before. A line that is being written is read next time."""
        try:
            with self._journal.open("rb") as journal:
                journal.seek(self._read_up_to)
                text = journal.read(_LONGEST_LINE_BYTES)
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read_up_to += len(whole)
        return list(_entries(whole))

    def end(self, exit_: Exit) -> None:
        """Say how it ended; on the disk when this returns."""
        _put(self._exit, exit_.model_dump_json(), durable=True)

    def ended(self) -> Exit | None:
        """How it ended, if it has."""
        try:
            return Exit.model_validate_json(self._exit.read_bytes())
        except FileNotFoundError:
            return None

    def forget(self) -> bool:
        """
        Remove everything of it; False while a process holds it, which is then to be waited for.

        A process that was asked for long ago must find all of it or nothing: with the order alone it would begin anew.
        """
        with held(self.claim) as free:
            if free:
                shutil.rmtree(self.root, ignore_errors=True)
            return free

    @property
    def _order(self) -> Path:
        return self.root / "order.json"

    @property
    def _shim(self) -> Path:
        return self.root / "shim.json"

    @property
    def _journal(self) -> Path:
        return self.root / "journal"

    @property
    def _exit(self) -> Path:
        return self.root / "exit.json"


def found(shims_dir: Path) -> Sequence[str]:
    """The ids of all executions there are records of, or locks that somebody who was killed left behind."""
    try:
        names = {entry.name for entry in os.scandir(shims_dir)}
    except FileNotFoundError:
        return []
    return sorted({name.removesuffix(".lock") for name in names})


def _entries(text: bytes) -> Iterator[Entry]:
    for line in text.splitlines():
        try:
            yield _ENTRY.validate_json(line)
        except ValidationError:
            # Half a line, and another after it: the disk was full in between. The exit says what matters.
            continue


def _put(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file that is there whole or not at all."""
    growing = path.with_suffix(".growing")
    with growing.open("wb") as file:
        file.write(text.encode())
        if durable:
            file.flush()
            os.fsync(file.fileno())
    growing.rename(path)
    if durable:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
