"""A program that writes a line every now and then, for as long as it is let."""

from __future__ import annotations

import base64
from typing import Any

import wasmtime

_TEXT = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\05\\00\\00\\00")
  (data (i32.const 16) "tick\\n")
  (func (export "_start")
    ;; A relative time-out of the monotonic clock.
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const {nanoseconds}))
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)))
      (br $again))))
"""


def ticking_job(every_seconds: float) -> dict[str, Any]:
    """A job that writes ``tick`` again and again; a minute is its limit."""
    module = wasmtime.wat2wasm(_TEXT.format(nanoseconds=int(every_seconds * 1e9)))
    url = f"data:application/wasm;base64,{base64.b64encode(module).decode()}"
    source = {"Source": {"Type": "inline", "Params": {"URL": url}}, "Target": "/module.wasm"}
    engine = {"Type": "wasm", "Params": {"EntryModule": source}}
    task = {"Name": "main", "Engine": engine, "Timeouts": {"ExecutionTimeout": 60}}
    return {"Name": "", "Type": "batch", "Count": 1, "Tasks": [task]}
