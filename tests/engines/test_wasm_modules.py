"""Modules are found, checked, compiled once and linked before anything runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gadus.config import Settings
from gadus.core.errors import EngineUnavailable, InvalidSpec, ProgramUnusable
from gadus.core.spec import InputSource
from gadus.engines.wasm import Engine, Params
from gadus.testing.engines import Told, program_of, ran
from wasm_probe import INLINE, PROBE, example, from_text, task


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Settings(data_dir=tmp_path / "data"))


async def test_missing_entry_point_says_what_there_is(engine: Engine, tmp_path: Path) -> None:
    text = '(module (memory (export "memory") 1) (func (export "go")) (func (export "add") (param i32)))'
    library = from_text(tmp_path / "library.wasm", text)
    with pytest.raises(ProgramUnusable, match=r"'_start'.*'memory', 'go', 'add'") as missing:
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
    with pytest.raises(ProgramUnusable, match=f"the module .*{said}"):
        await engine.prepare(program_of(example(module=path)), Told())
    with pytest.raises(ProgramUnusable, match=f"the import module 'lib' .*{said}"):
        await engine.prepare(program_of(example(imports={"lib": path})), Told())


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


def test_node_itself_never_loads_the_compiler() -> None:
    """A defect of the compiler must not be in the process that holds the credentials."""
    text = "import sys, gadus.engines.wasm; sys.exit('wasmtime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


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
    with pytest.raises(ValueError, match=r"invalid wasm engine entry module\. cannot be nil"):
        Params.model_validate(missing)


def test_program_inputs_are_input_sources(engine: Engine) -> None:
    (entry,) = engine.program_inputs(example("x").params, task())
    assert type(entry) is InputSource
