"""Programs for the tests of the wasm engine, as staging hands them over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import wasmtime

from gadus.config import Settings
from gadus.core.spec import Task
from gadus.engines import _wasm_started
from gadus.engines.wasm import Engine, Params
from gadus.testing.engines import Example

PROBE = Path(__file__).parent / "engines" / "wasm_programs" / "probe.wasm"
INLINE = {"Source": {"Type": "inline", "Params": {"URL": "data:,x"}}}


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
    """The processes that run modules for this one, or for its nursery of programs."""
    own = _children_of(os.getpid())
    forked = [pid for nursery in _of(own, "_wasm_nursery") for pid in _children_of(nursery)]
    return [str(pid) for pid in (*_of(own, "_wasm_child"), *forked)]


def _of(processes: dict[int, str], name: str) -> list[int]:
    return [pid for pid, command in processes.items() if name in command]


def _children_of(parent: int) -> dict[int, str]:
    """The commands of all children."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            its_parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = status.with_name("cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if its_parent == parent:
            found[int(status.parent.name)] = command
    return found


@contextmanager
def nursery() -> Iterator[int]:
    """Programs are forked by a nursery while the block lasts; yields its number."""
    its_number = _wasm_started.open_nursery()
    try:
        yield its_number
    finally:
        _wasm_started._nurseries.pop().close()
        with suppress(ChildProcessError):
            os.waitpid(its_number, 0)
