"""
Compiled WebAssembly modules, kept on disk by what they were made of.

    <directory>/<key>.cwasm     the machine code; loading it is trusting it, so nobody else may write here
    <directory>/<key>.json      what the module exports and imports
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from gadus.contracts import Stream
from gadus.core.errors import EngineUnavailable, ProgramUnusable
from gadus.core.units import format_bytes

from ._wasm_process import answer_to
from ._wasm_started import COMPILES

LARGEST_MODULE_BYTES = 64 * 2**20
COMPILE_SECONDS = 30.0
COMPILE_BYTES = 2**30
KEPT_SECONDS = 30 * 86400
_STALE_SECONDS = 3600
_CORE_MODULE = b"\0asm\x01\0\0\0"
_COMPONENT = b"\0asm\x0d\0\x01\0"
_BUILD_HINT = "give a module built for WASI preview 1, e.g. by a compiler with the target wasm32-wasi"


@dataclass(frozen=True, slots=True)
class Module:
    """
    A compiled module. `exports` says of each name what it is, e.g. ``function () -> ()`` or ``memory``.

    `imports` are triples: module name, name, and whether WASI preview 1 has it.
    """

    compiled: Path
    exports: Mapping[str, str]
    imports: Sequence[tuple[str, str, bool]]


class Modules:
    """The modules below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # One after the other: the compiler uses all cores by itself, and the next may want the same module.
        self._compiling = asyncio.Lock()

    async def module(self, what: str, staged: Path, on_compile: Callable[[str], None]) -> Module:
        """
        The module in the file, or the directory of one file, `staged`; compiled if it was not before.

        Raises ProgramUnusable that calls the module `what`.
        """
        path, key, known = await asyncio.to_thread(self._looked_up, what, staged)
        if known is not None:
            return known
        async with self._compiling:
            known = await asyncio.to_thread(self._known, key)
            if known is None:
                on_compile(f"compiling {what}")
                await self._compile(what, path, key)
                known = await asyncio.to_thread(self._known, key)
        if known is None:
            raise EngineUnavailable(f"a compiled module disappeared from {self._directory} as it was made")
        return known

    async def compiled(self, what: str, staged: Path) -> Module | None:
        """The same module if it was compiled before; nothing is changed. Raises ProgramUnusable when it is no module."""
        return await asyncio.to_thread(lambda: self._read(_key(what, _only_file(what, staged))))

    def sweep(self) -> None:
        """Remove what crashes left, and what was not used for a month."""
        for path in self._directory.glob("*.*"):
            limit = _STALE_SECONDS if path.name.startswith("new-") else KEPT_SECONDS
            if path.is_file() and time.time() - path.stat().st_mtime > limit:
                path.unlink(missing_ok=True)

    def _looked_up(self, what: str, staged: Path) -> tuple[Path, str, Module | None]:
        path = _only_file(what, staged)
        key = _key(what, path)
        self._secure()
        return path, key, self._known(key)

    def _secure(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = self._directory.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise EngineUnavailable(
                f"{self._directory} holds code that is run as it is, and others may write there",
                hint=f"remove it, or make it yours alone: chmod 700 {self._directory}",
            )

    def _known(self, key: str) -> Module | None:
        """The module, from now on used lately."""
        module = self._read(key)
        if module is not None:
            try:
                for path in (module.compiled, module.compiled.with_suffix(".json")):
                    os.utime(path)
            except FileNotFoundError:
                return None
        return module

    def _read(self, key: str) -> Module | None:
        compiled = self._directory / f"{key}.cwasm"
        try:
            facts = json.loads(compiled.with_suffix(".json").read_bytes())
        except FileNotFoundError:
            return None
        if not compiled.exists():
            return None
        imports = [(module, name, known) for module, name, known in facts["imports"]]
        return Module(compiled, facts["exports"], imports)

    async def _compile(self, what: str, path: Path, key: str) -> None:
        new = self._directory / f"new-{secrets.token_hex(8)}"
        new_code, new_facts = new.with_suffix(".cwasm"), new.with_suffix(".json")
        order = {
            "do": "compile",
            "wasm": str(path),
            "into": str(new_code),
            "into_facts": str(new_facts),
            "data_bytes": COMPILE_BYTES,
        }
        said = _Said()
        try:
            async with asyncio.timeout(COMPILE_SECONDS):
                answer = await answer_to(order, said)
            if "unusable" in answer:
                raise ProgramUnusable(f"{what} cannot be compiled: {answer['unusable']}", hint=_BUILD_HINT)
            if "died" in answer:
                # The compiler ends its process when it may have no more memory.
                raise ProgramUnusable(
                    f"the compiler of {what} {answer['died']}; its limit is {format_bytes(COMPILE_BYTES)} {said.text}".strip(),
                    hint="make the module smaller",
                )
            new_facts.rename(self._directory / f"{key}.json")
            new_code.rename(self._directory / f"{key}.cwasm")
        except TimeoutError as exc:
            raise ProgramUnusable(
                f"{what} was not compiled within {COMPILE_SECONDS:.0f} seconds", hint="make it smaller"
            ) from exc
        finally:
            new_code.unlink(missing_ok=True)
            new_facts.unlink(missing_ok=True)


class _Said:
    """The last words of a compiler."""

    def __init__(self) -> None:
        self._last = b""

    def write(self, _stream: Stream, data: bytes) -> None:
        self._last = (self._last + data)[-500:]

    def note(self, text: str) -> None:
        """A compiler has none."""

    @property
    def text(self) -> str:
        lines = self._last.decode(errors="replace").split("\n")
        return f"({lines[0]})" if lines[0] else ""


def _only_file(what: str, staged: Path) -> Path:
    if not staged.is_dir():
        return staged
    found = sorted(islice((path for path in staged.rglob("*") if path.is_file()), 5))
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(staged)) for path in found) or "no file at all"
        raise ProgramUnusable(
            f"the source of {what} must be exactly one file; it has {names}", hint="name the whole key of one object"
        )
    return found[0]


def _key(what: str, path: Path) -> str:
    """A name for what compiling `path` gives: the module, the compiler and the processor. Checks what the file is."""
    with path.open("rb") as file:
        start = file.read(len(_CORE_MODULE))
        if start == _COMPONENT:
            raise ProgramUnusable(f"{what} is a WebAssembly component, not a module", hint=_BUILD_HINT)
        if start != _CORE_MODULE:
            raise ProgramUnusable(f"{what} is not a WebAssembly module: it starts with {start!r}", hint=_BUILD_HINT)
        size_bytes = path.stat().st_size
        if size_bytes > LARGEST_MODULE_BYTES:
            raise ProgramUnusable(
                f"{what} has {format_bytes(size_bytes)}; the limit is {format_bytes(LARGEST_MODULE_BYTES)}",
                hint="strip its debug information",
            )
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256")
    digest.update(_machine())
    return digest.hexdigest()


@cache
def _machine() -> bytes:
    """What compiled code depends on besides the module: code for a processor with more abilities would crash on another."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            lines = islice(file, 60)
            abilities = next((line for line in lines if line.lower().startswith((b"flags", b"features"))), b"")
    except FileNotFoundError:
        abilities = platform.processor().encode()
    # The compiler's settings are in the text of the child.
    return b"\0".join([version("wasmtime").encode(), COMPILES.read_bytes(), platform.machine().encode(), abilities])
