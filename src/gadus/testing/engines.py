"""
The promises of `contracts.Engine` as tests: every engine's test module has a class that inherits `EngineSuite`.

    class TestDocker(EngineSuite):
        def make_engine(self, settings): ...
        def exits(self, code): ...                            # and the other hooks below

Needs pytest and pytest-asyncio. Every hook gives a tiny program; `EngineSuite` runs it and judges.
"""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from gadus.config import Settings
from gadus.contracts import Engine, Mount, Output, Program, Silent, Stream
from gadus.core.errors import OutOfMemory, ProgramUnusable

GONE_WITHIN_SECONDS = 10.0
"""Much more than the grace that a stopped program has; no engine needs nearly as long on an idle machine."""
STARTS_WITHIN_SECONDS = 30.0
MEMORY_LIMIT_BYTES = 64 * 2**20
MUCH_BYTES = 5_000_000


@dataclass(frozen=True)
class Example:
    """A program of an engine's own kind: its params, and the staged files that they name."""

    params: BaseModel
    files: Mapping[str, Path] = field(default_factory=dict)


class Heard:
    """An Output that remembers; `started` is set by the first byte."""

    def __init__(self) -> None:
        self.chunks: list[tuple[Stream, bytes]] = []
        self.notes: list[str] = []
        self.started = asyncio.Event()

    def write(self, stream: Stream, data: bytes) -> None:
        self.chunks.append((stream, data))
        self.started.set()

    def note(self, text: str) -> None:
        self.notes.append(text)

    @property
    def stdout(self) -> bytes:
        return b"".join(data for stream, data in self.chunks if stream is Stream.STDOUT)

    @property
    def stderr(self) -> bytes:
        return b"".join(data for stream, data in self.chunks if stream is Stream.STDERR)


class Told(Silent):
    """A Reporter that remembers what an engine says while it prepares."""

    def __init__(self) -> None:
        self.preparations: list[tuple[str, int, int]] = []

    def preparing(self, what: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self.preparations.append((what, done_bytes, total_bytes))


class EngineSuite(ABC):
    """
    Inherit, name the class ``Test…``, give the hooks.

    `unavoidable` are the names of environment variables that this kind of program always has, whatever was asked.
    """

    pytestmark = pytest.mark.asyncio
    unavoidable: frozenset[str] = frozenset()

    @abstractmethod
    def make_engine(self, settings: Settings) -> Engine:
        """The engine to judge."""

    @abstractmethod
    def exits(self, code: int) -> Example:
        """Exits with `code` and does nothing else. Asked with 0 and 7."""

    @abstractmethod
    def prints(self, stdout: str, stderr: str) -> Example:
        """Writes `stdout` and `stderr` (ASCII, no line ends) to the two streams and exits with 0."""

    @abstractmethod
    def prints_much(self, size_bytes: int) -> Example:
        """Writes exactly `size_bytes` bytes to its standard output as fast as it can and exits with 0."""

    @abstractmethod
    def prints_environment(self) -> Example:
        """Writes every environment variable as a line KEY=value to its standard output."""

    @abstractmethod
    def reads(self, path: str) -> Example:
        """Copies the file at the absolute `path` to its standard output and exits with 0; else not with 0."""

    @abstractmethod
    def writes(self, path: str, text: str) -> Example:
        """Writes exactly `text` to a file at the absolute `path` and exits with 0; when that fails, not with 0."""

    @abstractmethod
    def allocates(self, size_bytes: int) -> Example:
        """Asks for and fills at least `size_bytes` bytes of memory; fails (in any way) when it cannot have them."""

    @abstractmethod
    def copes(self, size_bytes: int) -> Example:
        """Tries to have `size_bytes` bytes of memory, itself or in a child, and exits with 0 when it cannot."""

    @abstractmethod
    def runs_forever(self) -> Example:
        """Writes something to its standard output at once, then runs without end."""

    def ignores_the_end(self) -> Example:
        """The same, deaf to every request to end; needed only where a program can be asked."""
        return self.runs_forever()

    @abstractmethod
    def unusable(self) -> Example:
        """Something that this engine can see is not there or cannot be run."""

    @abstractmethod
    async def leftovers(self, execution_id: str) -> Sequence[str]:
        """What is still on this machine of the program of `execution_id`: processes, containers."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(data_dir=tmp_path / "data")

    @pytest.fixture
    def engine(self, settings: Settings) -> Engine:
        return self.make_engine(settings)

    @pytest.fixture
    def inputs(self, tmp_path: Path) -> Path:
        """A directory with one file, as staging leaves it."""
        root = tmp_path / "inputs"
        root.mkdir()
        (root / "data.txt").write_bytes(b"forty-two\n")
        return root

    @pytest.fixture
    def results(self, tmp_path: Path) -> Path:
        root = tmp_path / "results"
        root.mkdir()
        return root

    @pytest.mark.parametrize("code", [0, 7])
    async def test_exit_code_is_the_answer(self, engine: Engine, code: int) -> None:
        exit_code, _ = await ran(engine, program_of(self.exits(code)))
        assert exit_code == code

    async def test_both_streams_arrive_apart(self, engine: Engine) -> None:
        exit_code, heard = await ran(engine, program_of(self.prints("to stdout", "to stderr")))
        assert (exit_code, heard.stdout.strip(), heard.stderr.strip()) == (0, b"to stdout", b"to stderr")

    async def test_no_output_is_lost_when_the_program_ends_at_once(self, engine: Engine) -> None:
        exit_code, heard = await ran(engine, program_of(self.prints_much(MUCH_BYTES)))
        assert (exit_code, len(heard.stdout)) == (0, MUCH_BYTES)

    async def test_environment_is_exactly_what_was_given(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GADUS_SUITE_CANARY", "of the node")
        given = {"ONE": "1", "EMPTY": "", "SPACED": "a b=c 'd'", "UMLAUT": "Grüße"}
        exit_code, heard = await ran(engine, program_of(self.prints_environment(), environment=given))
        seen = dict(line.split("=", 1) for line in heard.stdout.decode().splitlines())
        assert exit_code == 0
        assert {name: value for name, value in seen.items() if name not in self.unavoidable} == given

    async def test_input_is_read_at_its_target(self, engine: Engine, inputs: Path) -> None:
        mount = Mount(source=inputs, target="/inputs/deep/here")
        exit_code, heard = await ran(engine, program_of(self.reads("/inputs/deep/here/data.txt"), mounts=[mount]))
        assert (exit_code, heard.stdout) == (0, b"forty-two\n")

    async def test_input_that_is_one_file_is_read_at_its_target(self, engine: Engine, inputs: Path) -> None:
        mount = Mount(source=inputs / "data.txt", target="/inputs/one.txt")
        exit_code, heard = await ran(engine, program_of(self.reads("/inputs/one.txt"), mounts=[mount]))
        assert (exit_code, heard.stdout) == (0, b"forty-two\n")

    async def test_file_outside_the_mounts_is_not_seen(self, engine: Engine, inputs: Path) -> None:
        exit_code, heard = await ran(engine, program_of(self.reads(str(inputs / "data.txt"))))
        assert (exit_code != 0, heard.stdout) == (True, b"")

    @pytest.mark.parametrize("name", ["data.txt", "new.txt"])
    async def test_input_cannot_be_written(self, engine: Engine, inputs: Path, name: str) -> None:
        mount = Mount(source=inputs, target="/inputs")
        exit_code, _ = await ran(engine, program_of(self.writes(f"/inputs/{name}", "spoilt"), mounts=[mount]))
        assert exit_code != 0
        assert files_of(inputs) == {"data.txt": b"forty-two\n"}

    async def test_result_is_left_on_this_machine(self, engine: Engine, inputs: Path, results: Path) -> None:
        mounts = [Mount(source=inputs, target="/inputs"), Mount(source=results, target="/outputs", writable=True)]
        exit_code, _ = await ran(engine, program_of(self.writes("/outputs/answer.txt", "done"), mounts=mounts))
        assert (exit_code, (results / "answer.txt").read_text()) == (0, "done")

    async def test_too_much_memory_is_an_error_of_its_own(self, engine: Engine) -> None:
        greedy = program_of(self.allocates(4 * MEMORY_LIMIT_BYTES), memory_bytes=MEMORY_LIMIT_BYTES)
        with pytest.raises(OutOfMemory) as caught:
            await ran(engine, greedy)
        assert "64.0 MiB" in caught.value.message
        assert "--memory" in caught.value.hint

    async def test_memory_within_the_limit_is_given(self, engine: Engine) -> None:
        modest = program_of(self.allocates(MEMORY_LIMIT_BYTES // 8), memory_bytes=MEMORY_LIMIT_BYTES)
        exit_code, _ = await ran(engine, modest)
        assert exit_code == 0

    async def test_program_that_copes_without_memory_has_not_failed_but_that_is_noted(self, engine: Engine) -> None:
        heard = Heard()
        modest = program_of(self.copes(4 * MEMORY_LIMIT_BYTES), memory_bytes=MEMORY_LIMIT_BYTES)
        await engine.prepare(modest, Told())
        assert await engine.run(modest, heard) == 0
        assert ["64.0 MiB" in note for note in heard.notes] == [True]

    async def test_program_with_enough_memory_has_no_notes(self, engine: Engine) -> None:
        _, heard = await ran(engine, program_of(self.copes(MEMORY_LIMIT_BYTES // 8), memory_bytes=MEMORY_LIMIT_BYTES))
        assert heard.notes == []

    async def test_unusable_program_is_the_authors_error_with_a_way_out(self, engine: Engine) -> None:
        with pytest.raises(ProgramUnusable) as caught:
            await ran(engine, program_of(self.unusable()))
        assert caught.value.hint

    async def test_preparing_again_is_allowed(self, engine: Engine) -> None:
        program = program_of(self.exits(0))
        await engine.prepare(program, Told())
        exit_code, _ = await ran(engine, program)
        assert exit_code == 0

    async def test_examine_finds_a_prepared_program_ready(self, engine: Engine) -> None:
        program = program_of(self.exits(0))
        await engine.prepare(program, Told())
        examined = await engine.examine(program)
        assert (examined.ready, list(examined.problems)) == (True, [])

    async def test_examine_changes_nothing(self, engine: Engine, settings: Settings) -> None:
        program = program_of(self.exits(0))
        await engine.examine(program)
        assert not settings.data_dir.exists()
        assert list(await self.leftovers(program.execution_id)) == []

    async def test_examine_tells_of_an_unusable_program_without_raising(self, engine: Engine) -> None:
        program = program_of(self.unusable())
        examined = await engine.examine(program)
        assert all(examined.notes)
        assert all(examined.problems)
        assert examined.notes or examined.problems

    async def test_cancelled_run_leaves_nothing_running(self, engine: Engine) -> None:
        program = program_of(self.runs_forever())
        async with running(engine, program) as run:
            run.cancel()
            async with asyncio.timeout(GONE_WITHIN_SECONDS):
                await asyncio.wait([run])
            assert run.cancelled()
            assert list(await self.leftovers(program.execution_id)) == []

    async def test_program_deaf_to_the_end_is_gone_all_the_same(self, engine: Engine) -> None:
        program = program_of(self.ignores_the_end())
        async with running(engine, program) as run:
            run.cancel()
            async with asyncio.timeout(GONE_WITHIN_SECONDS):
                await asyncio.wait([run])
            assert run.cancelled()
            assert list(await self.leftovers(program.execution_id)) == []

    async def test_cancelled_twice_is_gone_without_waiting_for_the_grace(self, engine: Engine) -> None:
        program = replace(program_of(self.ignores_the_end()), grace_seconds=lambda: 600.0)
        async with running(engine, program) as run:
            run.cancel()
            await asyncio.sleep(0)
            run.cancel()
            async with asyncio.timeout(GONE_WITHIN_SECONDS):
                await asyncio.wait([run])
            assert run.cancelled()
            assert list(await self.leftovers(program.execution_id)) == []

    async def test_disk_of_its_own_is_told_at_any_time(self, engine: Engine) -> None:
        program = program_of(self.runs_forever())
        assert await engine.own_disk_bytes(program) == 0
        async with running(engine, program):
            assert await engine.own_disk_bytes(program) >= 0

    async def test_ended_run_leaves_nothing_behind(self, engine: Engine) -> None:
        program = program_of(self.exits(7))
        await ran(engine, program)
        assert list(await self.leftovers(program.execution_id)) == []

    async def test_programs_run_side_by_side_and_keep_their_output_apart(self, engine: Engine) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ran(engine, program_of(self.prints(f"number {n}", "")))) for n in range(3)]
        assert [task.result()[1].stdout.strip() for task in tasks] == [b"number 0", b"number 1", b"number 2"]

    async def test_sweep_spares_what_is_to_be_kept(self, engine: Engine) -> None:
        program = program_of(self.runs_forever())
        async with running(engine, program) as run:
            await engine.sweep({program.execution_id})
            assert not run.done()
            assert list(await self.leftovers(program.execution_id)) != []


def program_of(
    example: Example,
    *,
    environment: Mapping[str, str] | None = None,
    mounts: Sequence[Mount] = (),
    memory_bytes: int = 0,
) -> Program:
    """A new execution of `example`."""
    execution_id = f"e-{uuid.uuid4()}"
    return Program(
        execution_id=execution_id,
        job_id=f"j-{execution_id[2:]}",
        params=example.params,
        files=example.files,
        environment=environment or {},
        mounts=mounts,
        memory_bytes=memory_bytes,
    )


def files_of(root: Path) -> dict[str, bytes]:
    """Name and contents of every file directly in `root`."""
    return {path.name: path.read_bytes() for path in root.iterdir()}


async def ran(engine: Engine, program: Program) -> tuple[int, Heard]:
    """The exit code and output of `program`, prepared and run to its end."""
    heard = Heard()
    output: Output = heard
    await engine.prepare(program, Told())
    return await engine.run(program, output), heard


@asynccontextmanager
async def running(engine: Engine, program: Program) -> AsyncIterator[asyncio.Task[int]]:
    """The task that runs `program`, after its first output; ended on exit."""
    heard = Heard()
    await engine.prepare(program, Told())
    run = asyncio.create_task(engine.run(program, heard))
    first_output = asyncio.create_task(heard.started.wait())
    try:
        async with asyncio.timeout(STARTS_WITHIN_SECONDS):
            await asyncio.wait([run, first_output], return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            pytest.fail(f"the program ended before its first output: {run}")
        yield run
    finally:
        first_output.cancel()
        run.cancel()
        await asyncio.wait([run, first_output])
