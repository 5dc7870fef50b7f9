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

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from gadus.core.job import Execution, Job, Outcome, Phase, Pin
from gadus.core.manifest import Item
from gadus.core.placement import Gpu, Node
from gadus.core.spec import InputSource, NetworkType, Task

Params_contra = TypeVar("Params_contra", bound=BaseModel, contravariant=True)


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


class Output(Protocol):
    """Where a program's own output goes."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep `data`, in the order of the calls. Never blocks for long, never raises for the program's doing."""

    def note(self, text: str) -> None:
        """Keep one line that the engine, not the program, has to say to the job's author: a warning, not a failure."""


class Reporter(Protocol):
    """Who wants to know how an execution goes on. Calls are frequent and must be cheap."""

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
        """
        The execution entered `phase`, now or `at` some Unix time that is over.

        `Phase.STAGING` covers staging and preparing, which run side by side.
        """

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

    def phase(self, phase: Phase, *, at: float | None = None) -> None:
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


@runtime_checkable
class Counting(Protocol):
    """A `Source` that counts what goes wrong between it and its service. No source has to."""

    def errors(self) -> Mapping[str, int]:
        """By cause, a few words in all: what went wrong since this was asked last, also what a further try mended."""


@dataclass(frozen=True, slots=True)
class Mount:
    """`source` on this machine is seen by the program at the absolute path `target`."""

    source: Path
    target: str
    writable: bool = False


MOST_PROCESSES = 4096
"""Far more than a data program needs, far less than a machine has: a fork bomb ends here."""
STOP_GRACE_SECONDS = 1.0
"""As in Bacalhau."""


def stop_grace_seconds() -> float:
    """What a program has that is stopped by a person or a limit other than its time."""
    return STOP_GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class Program:
    """
    Everything an engine needs to know of one execution.

    `files` are the engine's own inputs (see `Engine.program_inputs`), by their Target. `cpu_cores` and `memory_bytes` are 0
    for "no limit"; `most_processes` counts threads too. `environment` is complete: an engine adds nothing of the node's own.
    `grace_seconds` is asked when the run is cancelled: so long may the program take to end by itself before it is killed.
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
    most_processes: int = MOST_PROCESSES
    gpus: Sequence[Gpu] = ()
    grace_seconds: Callable[[], float] = stop_grace_seconds


class Backend(Protocol):
    """
    A way to run executions on nodes, and nothing else: ``backends/<name>.py``.

    Which node, and when there is room, is decided elsewhere. An execution's id is all that names it, for ever.
    """

    def nodes(self) -> Sequence[Node]:
        """The machines there are now."""

    def joined(self) -> Awaitable[None]:
        """Wait until other nodes are there than when this was called."""

    async def run(self, job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        """
        Start the execution on its node, or find it there again, and follow it to its end.

        Whatever happened before, it is started once; when this returns, nothing of it is left but its results. Whether
        cancelling ends the execution or only the following is the backend's to say. Raises Unavailable.
        """

    async def stop(self, execution_id: str) -> None:
        """Ask for the end of an execution, which `run` then tells; one that is not there, or not any more, is left at that."""

    async def forget(self, execution_id: str) -> None:
        """The end is remembered elsewhere: no need to be able to tell it again."""

    async def over(self, job_id: str) -> None:
        """Nothing of the job runs or will: what its executions shared can go."""

    def found(self) -> Sequence[str]:
        """The executions that this backend has not been told to forget, also those of an earlier process."""


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

    def ahead(self) -> None:
        """
        Get ready what every program needs, for this process and all that are forked from it.

        Called, if at all, in a process that has one thread and no event loop yet.
        """

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

        On every exit, also by cancellation, the program and all it started are gone and all its output was written. Cancelling
        asks the program to end, if it can be asked, and kills it after its `grace_seconds`, or when cancelled once more.
        Raises OutOfMemory, ProgramUnusable (it could not be started), EngineLost: the engine went away, or somebody
        else ended the program; an end that came from outside is never told as the program's own exit code.
        """

    async def own_disk_bytes(self, program: Program) -> int:
        """
        What the running program takes on this machine's disk besides its mounts; 0 when it is not running, or cannot be asked.

        Asked again and again while it runs, so it must be cheap. Nothing is raised.
        """

    async def sweep(self, keep: Container[str]) -> None:
        """End what a crash left behind of executions of this installation whose id is not in `keep`."""
