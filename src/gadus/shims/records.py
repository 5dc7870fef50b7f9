"""
What a shim and its server tell each other, in files.

    <data>/shims/<execution id>/order.json     what to run                                by the server, before the shim
                                journal        which process runs it, each event, and     by the shim, which holds it locked
                                               last how it ended: one line each           as long as it runs the execution

A line is there whole or not at all: others, and what the process says of its own troubles, mean nothing to a server. Whoever
finds the journal unlocked and begun, without an end, finds an execution that was lost.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from gadus.claim import locked
from gadus.core.job import Execution, Job, Outcome, Phase, Pin, Record

from .identity import Identity


class Order(Record):
    """One execution of a job; `job` without its other executions, which may be very many."""

    job: Job
    execution: Execution


class Begun(Record):
    """This process runs the execution."""

    kind: Literal["begun"] = "begun"
    process: Identity


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

    kind: Literal["exit"] = "exit"
    at: float
    outcome: Outcome


News = Entered | Learned
_LINE: TypeAdapter[Begun | News | Exit] = TypeAdapter(Annotated[Begun | Entered | Learned | Exit, Field(discriminator="kind")])


class Records:
    """The files of one execution, below the directory of all shims."""

    def __init__(self, shims_dir: Path, execution_id: str) -> None:
        self.root = shims_dir / execution_id
        self.journal = self.root / "journal"
        self._order = self.root / "order.json"
        self._read_up_to = 0
        self._process: Identity | None = None
        self._news: list[News] = []
        self._exit: Exit | None = None

    def order(self, job: Job, execution: Execution) -> None:
        """Say what is to be run; saying it again changes nothing."""
        if not self._order.exists():
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            alone = job.model_copy(update={"executions": (execution,), "vacancies": ()})
            growing = self._order.with_suffix(".growing")
            growing.write_bytes(Order(job=alone, execution=execution).model_dump_json().encode())
            growing.rename(self._order)

    def ordered(self) -> Order:
        """What is to be run."""
        return Order.model_validate_json(self._order.read_bytes())

    @contextmanager
    def begun(self, process: Identity) -> Iterator[Journal | None]:
        """
        The journal to write, with a first line that says which process runs the execution; held while the block lasts.

        None when another holds it, when it was begun before, and must not be begun again, or when nobody wants it any more.
        """
        journal = self._taken()
        try:
            if journal is None or self.process() is not None or not self._order.exists():
                yield None
            else:
                writing = Journal(journal, self.root)
                writing.write(Begun(process=process))
                yield writing
        finally:
            if journal is not None:
                os.close(journal)

    def process(self) -> Identity | None:
        """Which process runs, or ran, it; None when it was never begun."""
        self._read()
        return self._process

    def news(self) -> Sequence[News]:
        """What the journal says beyond what this object was asked for before."""
        self._read()
        news, self._news = self._news, []
        return news

    def ended(self) -> Exit | None:
        """How it ended, if it has."""
        self._read()
        return self._exit

    def free(self) -> bool:
        """Whether no process runs it."""
        if not self.journal.exists():
            return True
        journal = self._taken()
        if journal is not None:
            os.close(journal)
        return journal is not None

    def forget(self) -> bool:
        """
        Remove everything of it; False while a process holds it, which is then to be waited for.

        A process that was asked for long ago must find all of it or nothing: with the order alone it would begin anew.
        """
        if not self.root.exists():
            return True
        journal = self._taken()
        if journal is None:
            return not self.root.exists()
        try:
            shutil.rmtree(self.root, ignore_errors=True)
        finally:
            os.close(journal)
        return True

    def _taken(self) -> int | None:
        try:
            return locked(self.journal)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _read(self) -> None:
        """Read on. A line that is being written is read next time."""
        try:
            with self.journal.open("rb", buffering=0) as journal:
                journal.seek(self._read_up_to)
                text = journal.read()
        except (FileNotFoundError, NotADirectoryError):
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._read_up_to += len(whole)
        for line in whole.splitlines():
            try:
                self._take_in(_LINE.validate_json(line))
            except ValidationError:
                continue

    def _take_in(self, entry: Begun | News | Exit) -> None:
        match entry:
            case Begun():
                self._process = entry.process
            case Exit():
                self._exit = entry
            case _:
                self._news.append(entry)


class Journal:
    """The side of the shim: writes lines, each whole even after one that was torn."""

    def __init__(self, descriptor: int, root: Path) -> None:
        self.descriptor = descriptor
        self._root = root

    def write(self, entry: Begun | News | Exit) -> None:
        """Add a line. Raises OSError when the disk is full."""
        line = b"\n" + entry.model_dump_json().encode() + b"\n"
        written = os.write(self.descriptor, line)
        while written < len(line):
            written += os.write(self.descriptor, line[written:])

    def end(self, exit_: Exit) -> None:
        """Say how it ended; on the disk when this returns."""
        self.write(exit_)
        os.fsync(self.descriptor)
        directory = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def found(shims_dir: Path) -> Sequence[str]:
    """The ids of all executions there are records of."""
    try:
        return sorted(entry.name for entry in os.scandir(shims_dir))
    except FileNotFoundError:
        return []
