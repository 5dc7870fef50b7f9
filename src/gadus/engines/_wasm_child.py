"""
The process in which one WebAssembly module is compiled or run; started by path, it imports nothing of Gadus.

    standard input          one JSON object: the order
    order["answer_to"]      the descriptor for one JSON object: the answer
    standard output, error  the program's own
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

LONGEST_TEXT = 8000
MOST_NAMES = 10_000
STRANGE_EXIT_CODE = 255

_PR_SET_PDEATHSIG = 1
_PROT_NONE, _PROT_READ_WRITE = 0, 3
_MAP_PRIVATE, _MAP_ANONYMOUS, _MAP_NORESERVE = 0x02, 0x20, 0x4000
_PAGE_BYTES = 65536

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_MAP_FAILED = ctypes.c_void_p(-1).value

Order = dict[str, Any]
Answer = dict[str, Any]


class Exited(Exception):
    """The program called proc_exit."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    order: Order = json.load(sys.stdin.buffer)
    # The parent may have ended before the line above could tell the kernel to watch it.
    if os.getppid() != order["parent"]:
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The last line of defence, for what is not linear memory. Address space cannot be limited: 4 GiB are reserved per memory.
    resource.setrlimit(resource.RLIMIT_DATA, (order["data_bytes"], order["data_bytes"]))
    answer = run_module(order) if order["do"] == "run" else compile_module(order)
    os.write(order["answer_to"], json.dumps(answer).encode())
    # Nothing is left to be tidied up, and taking a big module apart takes time.
    os._exit(0)


def compile_module(order: Order) -> Answer:
    """Write the module `order["wasm"]`, compiled, to the new file `into`, and what it exports and imports to `into_facts`."""
    engine = wasmtime.Engine(_config())
    try:
        module = wasmtime.Module.from_file(engine, order["wasm"])
    except wasmtime.WasmtimeError as error:
        return {"unusable": _short(error)}
    exports, imports = module.exports, module.imports
    if len(exports) + len(imports) > MOST_NAMES:
        return {"unusable": f"it has {len(exports) + len(imports)} exports and imports; {MOST_NAMES} are the limit"}
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    facts = {
        "exports": {one.name: _kind(one.type) for one in exports},
        "imports": [[one.module, one.name or "", _defined(linker, store, one)] for one in imports],
    }
    _write_new(order["into_facts"], json.dumps(facts).encode())
    _write_new(order["into"], module.serialize())
    return {}


def run_module(order: Order) -> Answer:
    """Run the compiled module `order["module"]` to its end."""
    memories = Memories(order["memory_bytes"])
    config = _config()
    memories.serve(config)
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    store.set_limits(table_elements=10_000_000, instances=1000, tables=1000, memories=1000)
    store.set_wasi(_wasi(order))
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    # wasmtime's own proc_exit takes no code above 125.
    linker.allow_shadowing = True
    exit_type = wasmtime.FuncType([wasmtime.ValType.i32()], [])
    linker.define_func("wasi_snapshot_preview1", "proc_exit", exit_type, _proc_exit)
    linker.allow_shadowing = False
    try:
        for name, path in order["imports"]:
            linker.define_module(store, name, wasmtime.Module.deserialize_file(engine, path))
        module = wasmtime.Module.deserialize_file(engine, order["module"])
        exports = linker.instantiate(store, module).exports(store)
        for name in ("_initialize", order["entry_point"]):
            entry = exports.get(name)
            if isinstance(entry, wasmtime.Func):
                entry(store)
            if name == order["entry_point"]:
                break
    except Exited as exited:
        code = exited.code if 0 <= exited.code < STRANGE_EXIT_CODE else STRANGE_EXIT_CODE
    except wasmtime.Trap as trap:
        code = 1
        os.write(sys.stderr.fileno(), f"{_short(trap)}\n".encode())
    except wasmtime.WasmtimeError as error:
        # Linking: a program that runs fails by Exited or Trap.
        return {"refused_bytes": memories.refused_bytes} if memories.refused_bytes else {"unusable": _short(error)}
    else:
        code = 0
    return {"exit_code": code, "refused_bytes": memories.refused_bytes}


class Memories:
    """
    Linear memories that together stay within `limit_bytes`.

    wasmtime's own limit turns `memory.grow` into -1 and tells nobody. Here `refused_bytes` is the first size refused, or 0.
    One fixed reservation is made for each memory, so it never moves.
    """

    def __init__(self, limit_bytes: int) -> None:
        # A memory is made of whole pages; as in Bacalhau, the limit is rounded up to them.
        self._left_bytes = -(-limit_bytes // _PAGE_BYTES) * _PAGE_BYTES
        self.refused_bytes = 0
        # C holds no reference to what it calls.
        self._kept: list[object] = []

    def serve(self, config: wasmtime.Config) -> None:
        creator = ffi.wasmtime_memory_creator_t(new_memory=ffi.wasmtime_new_memory_callback_t(self._new_memory))
        self._kept.append(creator)
        ffi.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(creator))

    def _new_memory(
        self, _env: Any, _type: Any, minimum_bytes: int, _maximum_bytes: int, reserved_bytes: int, guard_bytes: int, memory: Any
    ) -> int:
        # Compiled code leaves out bounds checks because nothing can be read or written in the reservation and its guard.
        flags = _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_NORESERVE
        start = _libc.mmap(None, reserved_bytes + guard_bytes, _PROT_NONE, flags, -1, 0)
        if start == _MAP_FAILED:
            return self._refuse(minimum_bytes)
        size_bytes = 0

        def grow(_env: Any, wanted_bytes: int) -> int:
            nonlocal size_bytes
            more_bytes = wanted_bytes - size_bytes
            if wanted_bytes > reserved_bytes or more_bytes > self._left_bytes:
                return self._refuse(wanted_bytes)
            if more_bytes and _libc.mprotect(start, wanted_bytes, _PROT_READ_WRITE) != 0:
                return self._refuse(wanted_bytes)
            self._left_bytes -= more_bytes
            size_bytes = wanted_bytes
            return 0

        def get(_env: Any, size: Any, capacity: Any) -> int:
            size[0], capacity[0] = size_bytes, reserved_bytes
            return int(start)

        error = grow(None, minimum_bytes)
        if error:
            return error
        calls = ffi.wasmtime_memory_get_callback_t(get), ffi.wasmtime_memory_grow_callback_t(grow)
        self._kept.extend(calls)
        memory.contents.get_memory, memory.contents.grow_memory = calls
        return 0

    def _refuse(self, wanted_bytes: int) -> int:
        self.refused_bytes = self.refused_bytes or max(wanted_bytes, 1)
        error = ffi.wasmtime_error_new(b"more memory than the limit allows")
        return ctypes.cast(error, ctypes.c_void_p).value or 0


def _config() -> wasmtime.Config:
    """What compiled code depends on: the same for compiling and running."""
    config = wasmtime.Config()
    # Only memories that wasmtime makes itself can begin as a picture in the compiled file.
    config.memory_init_cow = False
    return config


def _proc_exit(code: int) -> None:
    raise Exited(code)


def _wasi(order: Order) -> wasmtime.WasiConfig:
    wasi = wasmtime.WasiConfig()
    wasi.argv = order["arguments"]
    wasi.env = order["environment"].items()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    for source, target, writable in order["directories"]:
        wasi.preopen_dir(source, target, writable)
    return wasi


def _kind(declared: object) -> str:
    if isinstance(declared, wasmtime.FuncType):
        return f"function ({_types(declared.params)}) -> ({_types(declared.results)})"
    return type(declared).__name__.removesuffix("Type").lower()


def _types(types: list[wasmtime.ValType]) -> str:
    return ", ".join(str(one) for one in types)


def _defined(linker: wasmtime.Linker, store: wasmtime.Store, wanted: wasmtime.ImportType) -> bool:
    try:
        linker.get(store, wanted.module, wanted.name or "")
    except wasmtime.WasmtimeError:
        return False
    return True


def _short(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"


def _write_new(path: str, data: bytes | bytearray) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        # A power cut must not leave half of it under its final name: compiled code is trusted.
        os.fsync(handle)


if __name__ == "__main__":
    main()
