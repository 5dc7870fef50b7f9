"""
The seams of Gadus, with their promises. Read this first.

Promises that bind every implementation:

- safe for concurrent use from one event loop;
- to cancel, cancel the coroutine: it returns when everything that it started is gone;
- only errors of `core.errors` are raised, translated where the library is called;
- calling again after a crash is allowed.

`gadus.testing` has a conformance suite for each; every plugin runs it, also a stranger's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from pydantic import BaseModel

from gadus.core.job import Job, Outcome, Phase, Place
from gadus.core.manifest import Item, Manifest
from gadus.core.placement import Node
from gadus.core.spec import InputSource, NetworkType, Task

Params_contra = TypeVar("Params_contra", bound=BaseModel, contravariant=True)


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


class Output(Protocol):
    """Where a program's own output goes."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep `data`, in the order of the calls. Never blocks for long, never raises for the program's doing."""


class Reporter(Protocol):
    """Who wants to know how an execution goes on. Calls are frequent and must be cheap."""

    def phase(self, phase: Phase) -> None:
        """The execution entered `phase`; `Phase.STAGING` covers staging and preparing, which run side by side."""

    def found(self, target: str, objects: int, size_bytes: int, cached_bytes: int) -> None:
        """The input for `target` is known: how much it is, and how much of it is already here."""

    def staged(self, objects: int, size_bytes: int) -> None:
        """So many more objects are whole, so many more bytes arrived."""

    def preparing(self, what: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """The engine works on `what`, e.g. "pulling busybox"; totals are 0 while unknown."""

    def prepared(self) -> None:
        """The engine is ready to run the program."""

    def output(self, stream: Stream, data: bytes) -> None:
        """The program wrote `data`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object of a manifest, and the new file that is to hold it."""

    item: Item
    into: Path

    def create(self) -> BinaryIO:
        """The new file `into`, empty and open; nobody else may write to it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(self.into, flags, 0o444), "wb")


class Arrivals(Protocol):
    """How a source tells what has come."""

    def received(self, size_bytes: int) -> None:
        """So many more bytes are on disk (negative when a part had to be given up)."""

    def whole(self, wanted: Wanted, sha256: str = "") -> None:
        """The file `wanted.into` is complete and checked; `sha256` in hex when it was computed."""


class Source(Protocol[Params_contra]):
    """
    A place that inputs come from: ``storage/<name>.py``, class `Source`.

    The class attribute `Params` is the pydantic model of ``Source.Params`` in a job, checked at submission.
    """

    async def resolve(self, params: Params_contra) -> Manifest:
        """
        The exact objects that `params` name now; every path in it is safe and unique.

        Nothing is downloaded. Raises NothingMatched, InputUnreadable, InputUnsafe, StorageUnavailable.
        """

    async def fetch(self, params: Params_contra, manifest: Manifest, wanted: Sequence[Wanted], arrivals: Arrivals) -> None:
        """
        Write every wanted object, whole, to its file, and tell `arrivals` as each is done.

        `wanted` is a subset of ``manifest.items``; no file of it exists yet, their directory does. A file told as whole
        has exactly the size, version and digest that its item says, and nobody may write to it (mode 0444). On any other
        exit files may be partial: the caller removes them.
        Raises InputChanged, ChecksumMismatch, InputUnreadable, DiskFull, StorageUnavailable.
        """


@dataclass(frozen=True, slots=True)
class Mount:
    """`source` on this machine is seen by the program at the absolute path `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """
    Everything an engine needs to know of one execution.

    `files` are the engine's own inputs (see `Engine.program_inputs`), by their Target. `cpu_cores` and `memory_bytes` are 0
    for "no limit". `environment` is complete: an engine adds nothing of the node's own.
    """

    execution_id: str
    job_id: str
    params: BaseModel
    environment: Mapping[str, str]
    files: Mapping[str, Path] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    cpu_cores: float = 0.0
    memory_bytes: int = 0
    network: NetworkType = NetworkType.NONE


class Backend(Protocol):
    """A way to place executions, and nothing else: ``backends/<name>.py``."""

    def nodes(self) -> Sequence[Node]:
        """The machines there are now."""

    async def run(self, job: Job, place: Place, started: Callable[[str], Reporter]) -> Outcome:
        """
        Run one execution of `job` to its end, waiting for room first.

        `started` is called with the node's id at the moment the execution begins there, and gives who is to be told.
        To stop the execution, cancel: when this returns, nothing of it is left.
        """


class Engine(Protocol):
    """
    A way to run programs: ``engines/<name>.py``, class `Engine`, made with the `Settings`.

    The class attribute `Params` is the pydantic model of ``Engine.Params`` in a job, checked at submission.
    """

    def program_inputs(self, params: BaseModel, task: Task) -> Sequence[InputSource]:
        """What must be on this machine before `prepare`: e.g. the module of a WASM job. Not seen by the program."""

    async def prepare(self, program: Program, reporter: Reporter) -> None:
        """
        Make the program ready to start: pull, compile. Runs while the other inputs are still being staged.

        `program.mounts` may not be there yet. Calling again is cheap. Raises ProgramUnusable, EngineUnavailable.
        """

    async def run(self, program: Program, output: Output) -> int:
        """
        Run the prepared program to its end and return its exit code: an answer, not an error.

        On every exit, also by cancellation, the program and all it started are gone and all its output was written.
        Raises OutOfMemory, ProgramUnusable (it could not be started), EngineUnavailable (the engine went away).
        """

    async def sweep(self, keep: Container[str]) -> None:
        """End what a crash left behind of executions of this installation whose id is not in `keep`."""
