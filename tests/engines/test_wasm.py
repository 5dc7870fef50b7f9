"""The wasm engine with real modules in real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from gadus.config import Settings
from gadus.contracts import Mount
from gadus.core.errors import EngineUnavailable, InvalidSpec, OutOfMemory, ProgramUnusable
from gadus.core.spec import InputSource, NetworkType, Task
from gadus.engines.wasm import Engine, Params
from gadus.testing.engines import EngineSuite, Example, Heard, Told, program_of, ran, running

PROBE = Path(__file__).parent / "wasm_programs" / "probe.wasm"
INLINE = {"Source": {"Type": "inline", "Params": {"URL": "data:,x"}}}
MIB = 2**20


def example(*arguments: str, module: Path = PROBE, imports: dict[str, Path] | None = None, **params: Any) -> Example:
    """A module as staging hands it over, under the Targets that the engine itself gives out."""
    asked = Params.model_validate(
        {
            "EntryModule": INLINE,
            "Parameters": list(arguments),
            "ImportModules": [INLINE | {"Alias": name} for name in imports or {}],
            **params,
        }
    )
    needed = Engine(Settings(data_dir=Path("/nowhere"))).program_inputs(asked, task())
    files = [module, *(imports or {}).values()]
    return Example(asked, {one.target: path for one, path in zip(needed, files, strict=True)})


def task(**more: Any) -> Task:
    return Task.model_validate({"Name": "main", "Engine": {"Type": "wasm"}, **more})


def from_text(path: Path, text: str) -> Path:
    """A module written in WebAssembly's text form."""
    path.write_bytes(wasmtime.wat2wasm(text))
    return path


def children() -> list[str]:
    """The processes that run modules for this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = status.with_name("cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid() and "_wasm_child" in command:
            found.append(status.parent.name)
    return found


class TestWasm(EngineSuite):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        self.data_dir = tmp_path / "data"
        return Settings(data_dir=self.data_dir)

    def make_engine(self, settings: Settings) -> Engine:
        return Engine(settings)

    def exits(self, code: int) -> Example:
        return example("exit", str(code))

    def prints(self, stdout: str, stderr: str) -> Example:
        return example("print", stdout, stderr)

    def prints_much(self, size_bytes: int) -> Example:
        return example("much", str(size_bytes))

    def prints_environment(self) -> Example:
        return example("environment")

    def reads(self, path: str) -> Example:
        return example("read", path)

    def writes(self, path: str, text: str) -> Example:
        return example("write", path, text)

    def allocates(self, size_bytes: int) -> Example:
        return example("allocate", str(size_bytes))

    def runs_forever(self) -> Example:
        return example("forever")

    def unusable(self) -> Example:
        return example(module=Path(__file__))

    async def leftovers(self, execution_id: str) -> Sequence[str]:
        return [*children(), *(str(path) for path in self.data_dir.rglob(f"*{execution_id}*"))]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Settings(data_dir=tmp_path / "data"))


@pytest.mark.parametrize(("given", "code"), [("return", 0), ("exit 200", 200), ("exit -1", 255), ("exit 256", 255)])
async def test_every_way_to_end_has_an_exit_code(engine: Engine, given: str, code: int) -> None:
    assert (await ran(engine, program_of(example(*given.split()))))[0] == code


async def test_arguments_follow_an_empty_name_of_the_program(engine: Engine) -> None:
    _, heard = await ran(engine, program_of(example("arguments", "a b", "", "ß")))
    assert heard.stdout.decode() == "[][arguments][a b][][ß]"


async def test_job_environment_wins_over_the_engines_own_parameters(engine: Engine) -> None:
    asked = example("environment", EnvironmentVariables={"A": "engine", "B": "engine"})
    _, heard = await ran(engine, program_of(asked, environment={"A": "job"}))
    assert sorted(heard.stdout.split()) == [b"A=job", b"B=engine"]


async def test_standard_input_is_empty(engine: Engine) -> None:
    assert (await ran(engine, program_of(example("stdin"))))[0] == 0


async def test_trap_is_exit_code_1_and_names_the_functions(engine: Engine, tmp_path: Path) -> None:
    text = '(module (func $inner unreachable) (func $outer (export "_start") (call $inner)))'
    exit_code, heard = await ran(engine, program_of(example(module=from_text(tmp_path / "trap.wasm", text))))
    assert exit_code == 1
    assert b"unreachable" in heard.stderr
    assert heard.stderr.index(b"inner") < heard.stderr.index(b"outer")


async def test_endless_recursion_is_a_trap_and_not_a_crash(engine: Engine) -> None:
    exit_code, heard = await ran(engine, program_of(example("recurse")))
    assert (exit_code, b"stack" in heard.stderr) == (1, True)


async def test_program_that_copes_with_refused_memory_has_not_failed(engine: Engine) -> None:
    asked = example("refused", str(200 * MIB), "0")
    assert (await ran(engine, program_of(asked, memory_bytes=64 * MIB)))[0] == 0


async def test_program_that_reports_refused_memory_itself_is_out_of_memory(engine: Engine) -> None:
    asked = example("refused", str(200 * MIB), "3")
    with pytest.raises(OutOfMemory, match=r"exit code 3 .* 200\.\d MiB"):
        await ran(engine, program_of(asked, memory_bytes=64 * MIB))


async def test_module_whose_first_memory_is_too_big_is_out_of_memory(engine: Engine, tmp_path: Path) -> None:
    text = '(module (memory 2000) (func (export "_start")))'
    with pytest.raises(OutOfMemory, match="could not be started"):
        await ran(engine, program_of(example(module=from_text(tmp_path / "big.wasm", text)), memory_bytes=64 * MIB))


async def test_limit_is_for_all_memories_together(engine: Engine, tmp_path: Path) -> None:
    text = """(module (memory $a 1) (memory $b 1) (func (export "_start")
        (if (i32.lt_s (memory.grow $a (i32.const 600)) (i32.const 0)) (then unreachable))
        (if (i32.lt_s (memory.grow $b (i32.const 600)) (i32.const 0)) (then unreachable))))"""
    module = from_text(tmp_path / "two.wasm", text)
    assert (await ran(engine, program_of(example(module=module), memory_bytes=128 * MIB)))[0] == 0
    with pytest.raises(OutOfMemory):
        await ran(engine, program_of(example(module=module), memory_bytes=64 * MIB))


async def test_access_beyond_the_memory_is_a_trap(engine: Engine, tmp_path: Path) -> None:
    for address in (65536, 65533, 2**31, 2**32 - 1):
        text = f'(module (memory 1) (func (export "_start") (i32.store offset=8 (i32.const {address}) (i32.const 1))))'
        exit_code, heard = await ran(engine, program_of(example(module=from_text(tmp_path / "out.wasm", text))))
        assert (exit_code, b"out of bounds" in heard.stderr) == (1, True)


async def test_nothing_but_the_mounts_can_be_reached(engine: Engine, tmp_path: Path) -> None:
    inputs, results, secret = tmp_path / "inputs", tmp_path / "results", tmp_path / "secret"
    for directory in (inputs, results):
        directory.mkdir()
    (inputs / "data.txt").write_text("precious")
    secret.write_text("secret")
    mounts = [Mount(inputs, "/inputs"), Mount(results, "/outputs", writable=True)]
    exit_code, heard = await ran(engine, program_of(example("attack", "/inputs", str(secret)), mounts=mounts))
    assert (exit_code, heard.stdout) == (0, b"")
    assert [(path.name, path.read_text()) for path in inputs.iterdir()] == [("data.txt", "precious")]


async def test_relative_names_start_at_the_root(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("here")
    _, heard = await ran(engine, program_of(example("read", "inputs/data.txt"), mounts=[Mount(tmp_path, "/inputs")]))
    assert heard.stdout == b"here"


async def test_files_and_directories_are_mounted_side_by_side(engine: Engine, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "t").write_text("tree")
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    mounts = [Mount(tree, "/in/tree"), Mount(one, "/in/a.txt"), Mount(two, "/in/b.txt"), Mount(two, "/c.txt")]
    for path, text in {"/in/tree/t": "tree", "/in/a.txt": "1", "/in/b.txt": "2", "/c.txt": "2"}.items():
        _, heard = await ran(engine, program_of(example("read", path), mounts=mounts))
        assert heard.stdout.decode() == text
    _, heard = await ran(engine, program_of(example("list", "/in"), mounts=mounts))
    assert sorted(heard.stdout.split()) == [b"a.txt", b"b.txt"]


async def test_single_file_that_wasi_cannot_show_is_refused(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    inside = [Mount(tmp_path, "/in"), Mount(tmp_path / "one", "/in/one")]
    for mounts in (inside, [Mount(tmp_path / "one", "/out", writable=True)]):
        with pytest.raises(ProgramUnusable) as caught:
            await ran(engine, program_of(example("exit", "0"), mounts=mounts))
        assert caught.value.hint


async def test_network_is_refused_at_submission_and_at_run_time(engine: Engine) -> None:
    asked = example("exit", "0")
    with pytest.raises(InvalidSpec, match="no network"):
        engine.program_inputs(asked.params, task(Network={"Type": "Full"}))
    with pytest.raises(ProgramUnusable, match="no network"):
        await engine.prepare(replace(program_of(asked), network=NetworkType.FULL), Told())


async def test_missing_entry_point_says_what_there_is(engine: Engine, tmp_path: Path) -> None:
    text = '(module (memory (export "memory") 1) (func (export "go")) (func (export "add") (param i32)))'
    library = from_text(tmp_path / "library.wasm", text)
    with pytest.raises(ProgramUnusable, match="'_start'.*'memory', 'go', 'add'") as missing:
        await engine.prepare(program_of(example(module=library)), Told())
    assert "go" in missing.value.hint
    with pytest.raises(ProgramUnusable, match=r"'add' is a function \(i32\) -> \(\)"):
        await engine.prepare(program_of(example(module=library, EntryPoint="add")), Told())
    assert (await ran(engine, program_of(example(module=library, EntryPoint="go"))))[0] == 0


async def test_reactor_is_initialized_before_its_entry_point_runs(engine: Engine, tmp_path: Path) -> None:
    text = """(module (global $ready (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $ready (i32.const 1)))
        (func (export "go") (if (i32.eqz (global.get $ready)) (then unreachable))))"""
    reactor = from_text(tmp_path / "reactor.wasm", text)
    assert (await ran(engine, program_of(example(module=reactor, EntryPoint="go"))))[0] == 0


CALLER = """(module (import "{0}" "answer" (func $answer (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (call $answer))))"""


async def test_import_modules_are_linked_by_alias_in_any_order(engine: Engine, tmp_path: Path) -> None:
    entry = from_text(tmp_path / "entry.wasm", CALLER.format("my lib/é"))
    outer = '(module (import "inner" "six" (func $six (result i32))) (func (export "answer") (result i32) (call $six)))'
    imports = {
        "my lib/é": from_text(tmp_path / "outer.wasm", outer),
        "inner": from_text(tmp_path / "inner.wasm", '(module (func (export "six") (result i32) (i32.const 6)))'),
    }
    assert (await ran(engine, program_of(example(module=entry, imports=imports))))[0] == 6


async def test_missing_import_names_what_is_there(engine: Engine, tmp_path: Path) -> None:
    entry = from_text(tmp_path / "entry.wasm", CALLER.format("lib"))
    other = from_text(tmp_path / "other.wasm", '(module (func (export "question")))')
    with pytest.raises(ProgramUnusable, match="'answer' from 'lib', which is not here"):
        await engine.prepare(program_of(example(module=entry, imports={"other": other})), Told())
    with pytest.raises(ProgramUnusable, match="'answer' from 'lib', which exports 'question'"):
        await engine.prepare(program_of(example(module=entry, imports={"lib": other})), Told())


async def test_import_of_another_type_or_in_a_circle_is_unusable(engine: Engine, tmp_path: Path) -> None:
    entry = from_text(tmp_path / "entry.wasm", CALLER.format("lib"))
    other = from_text(tmp_path / "other.wasm", '(module (func (export "answer") (result i64) (i64.const 1)))')
    with pytest.raises(ProgramUnusable, match="incompatible import type"):
        await ran(engine, program_of(example(module=entry, imports={"lib": other})))
    circle = from_text(tmp_path / "circle.wasm", '(module (import "lib" "answer" (func)) (func (export "answer")))')
    with pytest.raises(ProgramUnusable, match="circle"):
        await engine.prepare(program_of(example(module=entry, imports={"lib": circle})), Told())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a WebAssembly module"),
        (b"\x7fELF....", "not a WebAssembly module"),
        (b'(module (func (export "_start")))', "not a WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "component"),
        (b"\0asm\x01\0\0\0\x01\x05spoilt", "cannot be compiled"),
    ],
)
async def test_what_is_not_a_module_is_unusable(engine: Engine, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "module.wasm"
    path.write_bytes(content)
    with pytest.raises(ProgramUnusable, match=said):
        await engine.prepare(program_of(example(module=path)), Told())


async def test_module_in_a_directory_must_be_its_only_file(engine: Engine, tmp_path: Path) -> None:
    tree = tmp_path / "tree" / "deep"
    tree.mkdir(parents=True)
    (tree / "probe.wasm").write_bytes(PROBE.read_bytes())
    program = program_of(example("exit", "5", module=tree.parent))
    assert (await ran(engine, program))[0] == 5
    (tree / "second").touch()
    with pytest.raises(ProgramUnusable, match=r"deep/probe\.wasm, deep/second"):
        await ran(engine, program)


async def test_module_is_compiled_once_also_by_many_at_once_and_another_process(engine: Engine, tmp_path: Path) -> None:
    program = program_of(example("exit", "0"))
    told = [Told() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for one in told:
            group.create_task(engine.prepare(program, one))
    again = Told()
    await Engine(Settings(data_dir=tmp_path / "data")).prepare(program, again)
    assert sum(len(one.preparations) for one in told) == 1
    assert again.preparations == []


async def test_compiled_code_is_private_and_nothing_half_made_is_left(engine: Engine, tmp_path: Path) -> None:
    await engine.prepare(program_of(example("exit", "0")), Told())
    kept = tmp_path / "data" / "cache" / "wasm"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert sorted(path.suffix for path in kept.iterdir()) == [".cwasm", ".json"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept.iterdir())
    kept.chmod(0o777)
    with pytest.raises(EngineUnavailable, match="others may write"):
        await engine.prepare(program_of(example("exit", "0")), Told())


async def test_sweep_removes_what_crashes_left_and_spares_the_rest(engine: Engine, tmp_path: Path) -> None:
    await engine.prepare(program_of(example("exit", "0")), Told())
    kept = tmp_path / "data" / "cache" / "wasm"
    before = set(kept.iterdir())
    for name in ("run-e-dead", "run-e-alive"):
        (kept / name).mkdir()
    for name, age_days in {"new-stale.cwasm": 1, "new-fresh.cwasm": 0, "forgotten.cwasm": 60}.items():
        (kept / name).touch()
        os.utime(kept / name, (time.time() - age_days * 86400,) * 2)
    await engine.sweep({"e-alive"})
    assert set(kept.iterdir()) - before == {kept / "run-e-alive", kept / "new-fresh.cwasm"}


async def test_program_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """1. A node runs a busy loop. 2. The node is killed. 3. The loop is gone."""
    node = f"""
import asyncio, sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from pathlib import Path
from test_wasm import *
async def main():
    async with running(Engine(Settings(data_dir=Path({str(tmp_path / "data")!r}))), program_of(example("forever"))):
        print(*children(), flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", node], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        watched = os.pidfd_open(child)
        process.kill()
    ended = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(watched, lambda: ended.done() or ended.set_result(None))
    async with asyncio.timeout(5):
        await ended
    asyncio.get_running_loop().remove_reader(watched)
    os.close(watched)


async def test_cancelled_busy_loop_is_gone_at_once_and_its_output_is_kept(engine: Engine) -> None:
    program = program_of(example("forever"))
    heard = Heard()
    await engine.prepare(program, Told())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await engine.run(program, heard)
    assert (heard.stdout, children()) == (b"running\n", [])


async def test_node_itself_never_loads_the_compiler() -> None:
    """A defect of the compiler must not be in the process that holds the credentials."""
    text = "import sys, gadus.engines.wasm; sys.exit('wasmtime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


async def test_warm_start_is_quick(engine: Engine) -> None:
    program = program_of(example("exit", "0"))
    await ran(engine, program)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        await ran(engine, program)
        seconds.append(time.perf_counter() - start)
    # Around 0.08 s on an idle machine; the limit leaves room for a busy one.
    assert min(seconds) < 0.5


def test_module_may_be_named_by_the_target_of_an_input(engine: Engine) -> None:
    source = {"Type": "s3", "Params": {"Bucket": "b", "Key": "k"}}
    inputs = [
        {"Source": source, "Target": "/app.wasm"},
        {"Source": source, "Alias": "lib", "Target": "/lib.wasm"},
    ]
    asked = Params.model_validate({"EntryModule": "/app.wasm", "ImportModules": ["/lib.wasm"]})
    needed = engine.program_inputs(asked, task(InputSources=inputs))
    assert [(one.source.name, one.alias) for one in needed] == [("s3", ""), ("s3", "lib")]
    assert len({one.target for one in needed}) == 2
    with pytest.raises(InvalidSpec) as caught:
        engine.program_inputs(asked, task())
    assert len(caught.value.problems) == 2


def test_import_modules_need_names_of_their_own(engine: Engine) -> None:
    asked = Params.model_validate({"EntryModule": INLINE, "ImportModules": [INLINE, INLINE]})
    with pytest.raises(InvalidSpec, match=r"ImportModules\[0\]\.Alias"):
        engine.program_inputs(asked, task())


@pytest.mark.parametrize("missing", [{}, {"EntryModule": None}, {"EntryModule": ""}])
def test_missing_entry_module_is_said_in_bacalhaus_words(missing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="invalid wasm engine entry module. cannot be nil"):
        Params.model_validate(missing)


def test_program_inputs_are_input_sources(engine: Engine) -> None:
    (entry,) = engine.program_inputs(example("x").params, task())
    assert type(entry) is InputSource
    assert running is not None
