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

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel

from gadus.core.job import Job, Outcome, Phase, Pin, Place
from gadus.core.manifest import Item
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

    def found(self, objects: int, size_bytes: int) -> None:
        """So much more of the inputs is known."""

    def pinned(self, pin: Pin) -> None:
        """One input of the job is known whole: from now on it is exactly this, for every execution."""

    def found_whole(self) -> None:
        """One more input is known to its end."""

    def staged(self, objects: int, size_bytes: int, *, cached: bool = False) -> None:
        """So many more objects are whole, so many more bytes are here: they arrived, or were `cached`."""

    def preparing(self, what: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """The engine works on `what`, e.g. "pulling busybox"; totals are 0 while unknown."""

    def prepared(self) -> None:
        """The engine is ready to run the program."""

    def output(self, stream: Stream, data: bytes) -> None:
        """The program wrote `data`."""


class Silent:
    """A `Reporter` to whom nothing matters."""

    def phase(self, phase: Phase) -> None:
        """Not told on."""

    def found(self, objects: int, size_bytes: int) -> None:
        """Not told on."""

    def pinned(self, pin: Pin) -> None:
        """Not told on."""

    def found_whole(self) -> None:
        """Not told on."""

    def staged(self, objects: int, size_bytes: int, *, cached: bool = False) -> None:
        """Not told on."""

    def preparing(self, what: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """Not told on."""

    def prepared(self) -> None:
        """Not told on."""

    def output(self, stream: Stream, data: bytes) -> None:
        """Not told on."""


@dataclass(frozen=True, slots=True)
class Found:
    """
    Some more of what an input consists of.

    `location` names the place the keys belong to, without secrets, e.g. ``s3://bucket@https://host``; it is the same for
    every object of an input. `directories` are directories to make even if they stay empty, relative to the target.
    """

    location: str
    items: Sequence[Item]
    directories: Sequence[str] = ()


class Slot(Protocol):
    """
    The file for one object: held by this process alone, seen by nobody before it is whole.

    Every method may be called from any thread.
    """

    @property
    def item(self) -> Item:
        """The object that is to fill it."""

    def claim(self) -> bool:
        """
        Make the file ready to be filled; to be called once, before anything else but `item`.

        False when there is nothing to do: the object has come in the meantime, or somebody else is bringing it.
        """

    @property
    def handle(self) -> int:
        """An open descriptor, for reading and writing at any offset."""

    @property
    def missing(self) -> Sequence[tuple[int, int]]:
        """
        The stretches that are not here yet, as (offset, end), in order.

        The whole object at first; less when an earlier run was cut short. The end is -1 when the size is not known.
        """

    def wrote(self, offset: int, end: int) -> None:
        """The bytes from `offset` to `end` are in the file."""

    def whole(self, digest: str = "", *, compared: bool = False) -> None:
        """
        Everything is in the file; from here on it is read-only, and the handle is closed.

        `digest`, as ``algorithm:hex``, was computed from the bytes received; `compared` when it is known to be right.
        """

    def spoil(self) -> None:
        """What is in the file is not the object: nobody may continue from it. The handle is closed."""


class Source(Protocol[Params_contra]):
    """
    A place that inputs come from: ``storage/<name>.py``, class `Source`.

    The class attribute `Params` is the model of ``Source.Params`` in a job, checked at submission.
    """

    def resolve(self, params: Params_contra) -> AsyncGenerator[Found]:
        """
        The exact objects that `params` name now, in an order that does not change while they do not; at least one `Found`.

        Nothing is downloaded. Raises NothingMatched, InputUnreadable, InputUnsafe, StorageUnavailable.
        """

    async def check_access(self, params: Params_contra) -> None:
        """
        Ask the service whether this process may read what `params` name: one small request.

        For objects that were resolved before and are here already. Raises InputUnreadable, StorageUnavailable.
        """

    async def fetch(self, params: Params_contra, slots: AsyncIterator[Slot]) -> None:
        """
        Fill every slot with its object: exactly the size, version and digest that its item says.

        Takes slots as it has room for them, and claims each; on return all that it claimed are whole, and nothing of it touches
        a slot any more, however it ends. On any other exit some may be partial. May be called again with further slots.
        Raises InputChanged, ChecksumMismatch, InputUnreadable, StorageUnavailable, OSError of the local disk.
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


@dataclass(frozen=True, slots=True)
class Examined:
    """
    What an engine can say of a program before anything is done for it.

    `ready`: it could start at once, with nothing to pull or compile. `notes` say in what state engine and program are, one
    line each; `problems` say why it cannot run, each with the way out.
    """

    ready: bool
    notes: Sequence[str] = ()
    problems: Sequence[str] = ()


class Engine(Protocol):
    """
    A way to run programs: ``engines/<name>.py``, class `Engine`, made with the `Settings`.

    The class attribute `Params` is the pydantic model of ``Engine.Params`` in a job, checked at submission.
    """

    def program_inputs(self, params: BaseModel, task: Task) -> Sequence[InputSource]:
        """What must be on this machine before `prepare`: e.g. the module of a WASM job. Not seen by the program."""

    async def examine(self, program: Program) -> Examined:
        """
        Look whether the program could run here, and change nothing: neither pull nor compile.

        Of `program.files` only those need to be given that are on this machine already. What it finds is never raised.
        """

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
