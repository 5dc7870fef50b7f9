"""What a shim writes down of its execution, line by line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gadus.core.job import Outcome, Phase, Pin, Record

from .identity import Identity


class Begun(Record):
    """Which process runs the execution."""

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
Entry = Annotated[Begun | Entered | Learned | Exit, Field(discriminator="kind")]


class Journal:
    """The side of the shim: writes lines, each whole even after one that was torn."""

    def __init__(self, descriptor: int, directory: Path) -> None:
        self._descriptor = descriptor
        self._directory = directory

    def write(self, entry: Entry) -> None:
        """Add a line. Raises OSError when the disk is full."""
        line = b"\n" + entry.model_dump_json().encode() + b"\n"
        written = os.write(self._descriptor, line)
        while written < len(line):
            written += os.write(self._descriptor, line[written:])

    def end(self, exit_: Exit) -> None:
        """Say how it ended; on the disk when this returns."""
        self.write(exit_)
        os.fsync(self._descriptor)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
