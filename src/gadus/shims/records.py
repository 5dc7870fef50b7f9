"""
What a shim and its server tell each other, in one file for each execution: ``<data>/shims/<execution id>``.

    its first line     what to run                                         by the server, before the shim
    each line after    which process runs it, each event, how it ended     by the shim, which holds the file locked meanwhile

A line is there whole or not at all: others, and what the process says of its own troubles, mean nothing to a server. Whoever
finds the file unlocked and begun, without an end, finds an execution that was lost. One file, because to make and remove files
is most of what a short execution costs a disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gadus.claim import locked
from gadus.core.job import Execution, Job, Record

from .identity import Identity
from .journal import Begun, Entry, Exit, Journal, News

_GROWING = ".growing"
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


class Order(Record):
    """One execution of a job; `job` without its other executions, which may be very many."""

    job: Job
    execution: Execution


class Records:
    """The file of one execution, in the directory of all shims."""

    def __init__(self, shims_dir: Path, execution_id: str) -> None:
        self.path = shims_dir / execution_id
        self._growing = shims_dir / f"{execution_id}{_GROWING}"
        self._order = b""
        self._read_up_to = 0
        self._process: Identity | None = None
        self._news: list[News] = []
        self._exit: Exit | None = None

    def order(self, job: Job, execution: Execution) -> None:
        """Say what is to be run; saying it again changes nothing."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            alone = job.model_copy(update={"executions": (execution,), "vacancies": ()})
            self._growing.write_bytes(Order(job=alone, execution=execution).model_dump_json().encode() + b"\n")
            self._growing.rename(self.path)

    def ordered(self) -> Order:
        """What is to be run, once it was said."""
        self._read()
        return Order.model_validate_json(self._order)

    @contextmanager
    def begun(self, process: Identity) -> Iterator[Journal | None]:
        """
        The journal to write, with a first line that says which process runs the execution; held while the block lasts.

        None when another holds it, when it was begun before, and must not be begun again, or when nobody wants it any more.
        """
        taken = self._taken()
        try:
            if taken is None or self.process() is not None:
                yield None
            else:
                journal = Journal(taken, self.path.parent)
                journal.write(Begun(process=process))
                yield journal
        finally:
            if taken is not None:
                os.close(taken)

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
        taken = self._taken()
        if taken is not None:
            os.close(taken)
        return taken is not None or not self.path.exists()

    def forget(self) -> bool:
        """
        Remove everything of it; False while a process holds it, which is then to be waited for.

        A process that was asked for long ago then finds nothing, and does nothing.
        """
        self._growing.unlink(missing_ok=True)
        return self._removed(lambda: True)

    def withdraw(self) -> bool:
        """Take the order back; False when a process has begun the execution, or is about to."""
        return self._removed(lambda: self.process() is None)

    def _removed(self, wanted: Callable[[], bool]) -> bool:
        taken = self._taken()
        if taken is None:
            return not self.path.exists()
        try:
            if removed := wanted():
                self.path.unlink(missing_ok=True)
            return removed
        finally:
            os.close(taken)

    def _taken(self) -> int | None:
        try:
            return locked(self.path, make=False)
        except FileNotFoundError:
            return None

    def _read(self) -> None:
        """Read on. A line that is being written is read next time."""
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(self._read_up_to)
                text = file.read()
        except FileNotFoundError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._read_up_to += len(whole)
        lines = whole.splitlines()
        if lines and not self._order:
            self._order = lines.pop(0)
        for line in lines:
            try:
                self._take_in(_ENTRY.validate_json(line))
            except ValidationError:
                continue

    def _take_in(self, entry: Entry) -> None:
        match entry:
            case Begun():
                self._process = entry.process
            case Exit():
                self._exit = entry
            case _:
                self._news.append(entry)


def found(shims_dir: Path) -> Sequence[str]:
    """The ids of all executions there are records of."""
    try:
        return sorted({entry.name.removesuffix(_GROWING) for entry in os.scandir(shims_dir)})
    except FileNotFoundError:
        return []
