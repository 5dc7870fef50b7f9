"""Runs a WebAssembly module with WASI preview 1, in a process of its own that sees nothing but the job's directories."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, Field, field_validator

from gadus.config import Settings
from gadus.contracts import Examined, Mount, Output, Program, Reporter
from gadus.core.errors import Bug, EngineLost, GadusError, InvalidSpec, OutOfMemory, ProgramUnusable
from gadus.core.spec import InputSource, NetworkType, Task, Text, Trimmed, Wire
from gadus.core.units import format_bytes

from ._wasm_linking import check_entry_point, check_imports, in_order
from ._wasm_modules import Module, Modules
from ._wasm_process import answer_to
from ._wasm_started import open_nursery

LARGEST_MEMORY_BYTES = 4 * 2**30
"""All that a 32-bit module can use; given when the job asks for no limit."""
OWN_MEMORY_BYTES = 512 * 2**20
"""What the process may use besides the program's memory: the machine code, tables, buffers."""

_ENTRY = "/.wasm/entry"
_IMPORTS = "/.wasm/imports/"


class ModuleSource(InputSource):
    """Where a module comes from; its Target means nothing, since the program does not see it."""

    target: Trimmed = Field("", alias="Target")


class Params(Wire):
    """
    ``Engine.Params`` of a WebAssembly job.

    A module is given as a source of its own (Bacalhau 1.4) or as the Target of one of the task's InputSources (later).
    """

    entry_module: ModuleSource | Trimmed = Field("", alias="EntryModule", validate_default=True)
    entry_point: Trimmed = Field("_start", alias="EntryPoint")
    parameters: tuple[Text, ...] = Field((), alias="Parameters")
    environment_variables: dict[str, Text] = Field(default_factory=dict, alias="EnvironmentVariables")
    import_modules: tuple[ModuleSource | Trimmed, ...] = Field((), alias="ImportModules")

    @field_validator("entry_module", mode="before")
    @classmethod
    def _entry_is_given(cls, value: object) -> object:
        if value in (None, ""):
            raise ValueError("invalid wasm engine entry module. cannot be nil")
        return value

    @field_validator("entry_point", mode="after")
    @classmethod
    def _empty_is_the_default(cls, value: str) -> str:
        return value or "_start"

    @field_validator("parameters", "import_modules", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        if value is None:
            return ()
        return tuple(value) if isinstance(value, list) else value

    @field_validator("environment_variables", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @field_validator("environment_variables")
    @classmethod
    def _have_names(cls, variables: dict[str, str]) -> dict[str, str]:
        for name in variables:
            if not name or "=" in name or "\0" in name:
                raise ValueError(f"{name!r} cannot be the name of an environment variable")
        return variables


class Engine:
    """
    See `contracts.Engine`. A program has one thread, so it never uses more than one core, and of that only its share. It cannot
    start processes, and knows no signals: when it is stopped it is killed at once, with no grace.

    As in Bacalhau its argument 0 is empty. Returning from the entry point is exit code 0, a trap is 1 with the reason on the
    program's standard error, and a code above 255 is 255.
    """

    Params = Params

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.cache_dir / "wasm"
        self._modules = Modules(self._directory)

    def program_inputs(self, params: BaseModel, task: Task) -> Sequence[InputSource]:
        """The entry module and the import modules, under Targets that only this engine knows. Raises InvalidSpec."""
        asked = _checked(params)
        problems = []
        if task.network.type is not NetworkType.NONE:
            problems.append(f"Tasks[0].Network.Type: {_no_network(task.network.type)}")
        needed: dict[str, InputSource] = {}
        for number, module in enumerate([asked.entry_module, *asked.import_modules]):
            where = f"Tasks[0].Engine.Params.ImportModules[{number - 1}]" if number else "Tasks[0].Engine.Params.EntryModule"
            source = module if isinstance(module, InputSource) else _input_at(task, module)
            if source is None:
                problems.append(f"{where}: no InputSource of the task has the Target {module!r}")
                continue
            target = _IMPORTS + quote(source.alias, safe="") if number else _ENTRY
            if number and not source.alias:
                problems.append(f"{where}.Alias: must be the name that the entry module imports from")
            if target in needed:
                problems.append(f"{where}.Alias: {source.alias!r} is the name of two import modules")
            needed[target] = InputSource(source=source.source, alias=source.alias, target=target)
        if problems:
            raise InvalidSpec(problems)
        return tuple(needed.values())

    def ahead(self) -> None:
        """The interpreter and wasmtime of the program's process are there before it is."""
        open_nursery()

    async def check(self, module: Path, entry_point: str) -> None:
        """Raises ProgramUnusable when the program in the file `module` cannot be started at `entry_point`."""
        check_entry_point(await self._modules.module("the module", module, lambda _work: None), entry_point)

    async def examine(self, program: Program) -> Examined:
        """Which modules are compiled already, and whether these fit together."""
        found: dict[str, Module] = {}
        notes = []
        try:
            _check_network(program.network)
            for name, path in _modules_in(program.files):
                module = await self._modules.compiled(_called(name), path)
                notes.append(f"{_called(name)} is compiled" if module else f"{_called(name)} would be compiled")
                if module:
                    found[name] = module
            if missing := 1 + len(_checked(program.params).import_modules) - len(notes):
                notes.append("the module is not here yet" if missing == 1 else f"{missing} modules are not here yet")
            elif len(found) == len(notes):
                _linked(found, _checked(program.params).entry_point)
                return Examined(ready=True, notes=notes)
        except GadusError as exc:
            return Examined(ready=False, notes=notes, problems=[f"{exc.message}; {exc.hint}"])
        return Examined(ready=False, notes=notes)

    async def prepare(self, program: Program, reporter: Reporter) -> None:
        """The modules are compiled, and what each imports is there."""
        _check_network(program.network)
        await self._compiled(program, reporter.preparing)

    async def run(self, program: Program, output: Output) -> int:
        """The exit code of the entry point. Raises OutOfMemory when it failed after it was refused more memory."""
        asked = _checked(program.params)
        entry, imports = await self._compiled(program, lambda _: None)
        limit_bytes = min(program.memory_bytes or LARGEST_MEMORY_BYTES, LARGEST_MEMORY_BYTES)
        with self._private(program.execution_id) as private:
            order = {
                "do": "run",
                "module": str(entry.compiled),
                "imports": [(name, str(module.compiled)) for name, module in imports.items()],
                "entry_point": asked.entry_point,
                "arguments": ["", *asked.parameters],
                "environment": {**asked.environment_variables, **program.environment},
                "directories": await asyncio.to_thread(_directories, program.mounts, private),
                "memory_bytes": limit_bytes,
                "data_bytes": limit_bytes + OWN_MEMORY_BYTES,
            }
            answer = await answer_to(order, output, cpu_cores=program.cpu_cores)
        return _judged(answer, limit_bytes, output)

    async def own_disk_bytes(self, program: Program) -> int:  # noqa: ARG002 - the contract's
        """Nothing: all that a module can write to is mounts."""
        return 0

    async def sweep(self, keep: Container[str]) -> None:
        """Removes files that a crash left; the processes have ended with the one that started them."""
        for path in self._directory.glob("run-*"):
            if path.name.removeprefix("run-") not in keep:
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        await asyncio.to_thread(self._modules.sweep)

    async def _compiled(self, program: Program, on_compile: Callable[[str], None]) -> tuple[Module, dict[str, Module]]:
        """The entry module, and the import modules in an order in which each finds what it imports."""
        modules = {
            name: await self._modules.module(_called(name), path, on_compile) for name, path in _modules_in(program.files)
        }
        return _linked(modules, _checked(program.params).entry_point)

    @contextmanager
    def _private(self, execution_id: str) -> Iterator[Path]:
        """A directory for links to inputs that are single files."""
        path = self._directory / f"run-{execution_id}"
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _checked(params: BaseModel) -> Params:
    if not isinstance(params, Params):
        raise Bug(f"the wasm engine was given params of {type(params).__module__}")
    return params


def _modules_in(files: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """The entry module under the name "", and the import modules under theirs; other files are not this engine's."""
    for target, path in files.items():
        if target == _ENTRY:
            yield "", path
        elif target.startswith(_IMPORTS):
            yield unquote(target.removeprefix(_IMPORTS)), path


def _called(name: str) -> str:
    return f"the import module {name!r}" if name else "the module"


def _linked(modules: Mapping[str, Module], entry_point: str) -> tuple[Module, dict[str, Module]]:
    """The entry module, and the others in the order of their imports. Raises ProgramUnusable when they do not fit together."""
    others = {name: module for name, module in modules.items() if name}
    check_entry_point(modules[""], entry_point)
    for name, module in modules.items():
        check_imports(_called(name), module, others)
    return modules[""], in_order(others)


def _check_network(asked: NetworkType) -> None:
    if asked is not NetworkType.NONE:
        raise ProgramUnusable(_no_network(asked), hint="use the docker engine, or --network none")


def _no_network(asked: NetworkType) -> str:
    return f"WebAssembly programs have no network, so {asked.value} cannot be given"


def _input_at(task: Task, target: str) -> InputSource | None:
    return next((source for source in task.input_sources if source.target == target), None)


def _directories(mounts: Sequence[Mount], private: Path) -> list[tuple[str, str, bool]]:
    """
    What WASI is to open, as triples: directory here, path there, writable.

    WASI can only open directories, so a file is seen through a directory, made below `private`, that has a link to it.
    """
    opened: dict[str, tuple[str, str, bool]] = {}
    linked: dict[str, tuple[str, str, bool]] = {}
    for mount in mounts:
        target = posixpath.normpath(mount.target)
        if mount.source.is_dir():
            opened[target] = (str(mount.source), target, mount.writable)
            continue
        if mount.writable:
            raise ProgramUnusable(
                f"{target} is a file to be written, and WebAssembly programs can only be given directories",
                hint="give the directory that the file is in",
            )
        parent, name = posixpath.split(target)
        directory, _, _ = linked.setdefault(parent, (str(private / str(len(linked))), parent, False))
        _link(mount.source, Path(directory) / name)
    for both in opened.keys() & linked.keys():
        raise ProgramUnusable(
            f"an input that is a file cannot be put into {both}, which is an input or result of its own",
            hint="give the file another Target, in a directory of its own",
        )
    return [*opened.values(), *linked.values()]


def _link(source: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, link)
    except OSError:
        # Another file system, or a file of another owner.
        shutil.copyfile(source, link)


def _judged(answer: Mapping[str, Any], limit_bytes: int, output: Output) -> int:
    if "unusable" in answer:
        raise ProgramUnusable(
            f"the module cannot be started: {answer['unusable']}", hint="build it and its import modules for each other"
        )
    if "died" in answer:
        raise EngineLost(
            f"the process of the WebAssembly module {answer['died']}",
            hint="SIGKILL often means that this machine had no memory left; run the job again when there is",
        )
    exit_code = answer.get("exit_code")
    refused_bytes = answer["refused_bytes"]
    if exit_code == 0:
        # A program that copes has not failed.
        if refused_bytes:
            output.note(
                f"the program was refused a memory of {format_bytes(refused_bytes)}, since the limit is "
                f"{format_bytes(limit_bytes)}, and ended with exit code 0"
            )
        return 0
    if refused_bytes:
        ending = "could not be started" if exit_code is None else f"failed with exit code {exit_code}"
        raise OutOfMemory(
            f"memory limit exceeded: the program {ending} after it asked for a memory of "
            f"{format_bytes(refused_bytes)}; the limit is {format_bytes(limit_bytes)}",
            hint="give it more with --memory (Resources.Memory)",
        )
    return int(answer["exit_code"])
