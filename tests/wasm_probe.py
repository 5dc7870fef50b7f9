"""Programs for the tests of the wasm engine, as staging hands them over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import wasmtime

from gadus.config import Settings
from gadus.core.spec import Task
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
