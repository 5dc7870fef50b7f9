"""WebAssembly programs: one that returns at once, one that says a line now and then."""

from __future__ import annotations

import base64
from typing import Any

import wasmtime

_HEADER = b"\0asm\1\0\0\0"
_TYPE = b"\1\4\1\x60\0\0"  # one type: () -> ()
_FUNCTION = b"\3\2\1\0"  # one function of that type
_EXPORT = b"\7\x0a\1\6_start\0\0"
_CODE = b"\x0a\4\1\2\0\x0b"  # no locals, end

NOOP = _HEADER + _TYPE + _FUNCTION + _EXPORT + _CODE
"""The smallest there is: `_start`, which returns at once."""

_LINE = "a line of the log, of about the length that lines have in logs of programs that say a lot\\n"


def speaking(lines: int, *, every_seconds: float) -> bytes:
    """Writes a line, sleeps, and so on. In its memory: 0 the subscription to a clock, 64 its event, 128 where the line is."""
    return bytes(
        wasmtime.wat2wasm(
            f"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 256) "{_LINE}")
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const {lines}))
    (i32.store (i32.const 128) (i32.const 256))
    (i32.store (i32.const 132) (i32.const {len(_LINE) - 1}))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const {int(every_seconds * 1e9)}))
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 136)))
      (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 140)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))))"""
        )
    )


def wasm_job(module: bytes = NOOP, **fields: Any) -> dict[str, Any]:
    """A job that runs the module, which comes along with it."""
    url = f"data:application/wasm;base64,{base64.b64encode(module).decode()}"
    source = {"Source": {"Type": "inline", "Params": {"URL": url}}, "Target": "/module.wasm"}
    engine = {"Type": "wasm", "Params": {"EntryModule": source}}
    task = {"Name": "main", "Engine": engine, "Resources": {"CPU": "0.1", "Memory": "64MB"}}
    return {"Name": "noop", "Type": "batch", "Count": 1, "Tasks": [task], **fields}
