"""Jobs for the tests of faults, each with what it must come to."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import wasmtime

PROBE = Path(__file__).parents[1] / "engines" / "wasm_programs" / "probe.wasm"
FIRST_AND_LAST = b"first\nlast\n"

_SLEEPER = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "first\\n")
  (data (i32.const 8) "last\\n")
  (func (export "_start")
    (i32.store (i32.const 32) (i32.const 0)) (i32.store (i32.const 36) (i32.const 6))
    (i32.store (i32.const 40) (i32.const 8)) (i32.store (i32.const 44) (i32.const 5))
    (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 200)))
    ;; One subscription: clock 1, after so many nanoseconds.
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const {nanoseconds}))
    (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 200)))
    (drop (call $write (i32.const 1) (i32.const 40) (i32.const 1) (i32.const 200)))
    (call $exit (i32.const {code}))))
"""


@dataclass(frozen=True)
class Asked:
    """
    A job, and its end: the state, and what every completed execution printed and returned.

    `stop_after_seconds`: the client stops it so long after it was accepted.
    """

    document: Mapping[str, Any]
    state: str = "Completed"
    stdout: bytes = FIRST_AND_LAST
    exit_code: int = 0
    stop_after_seconds: float | None = None

    @property
    def parts(self) -> int:
        """How many parts a job that has an end is made of."""
        return int(self.document.get("Count", 1))


def wasm_job(module: bytes, *parameters: str, kind: str = "batch", count: int = 1, **task: Any) -> dict[str, Any]:
    """A job of this module, which comes along with it; small enough for many to run at once."""
    url = f"data:application/wasm;base64,{base64.b64encode(module).decode()}"
    entry = {"Source": {"Type": "inline", "Params": {"URL": url}}, "Target": "/module.wasm"}
    engine = {"Type": "wasm", "Params": {"EntryModule": entry, "Parameters": list(parameters)}}
    return _job(engine, kind, count, task)


def docker_job(image: str, script: str, *, count: int = 1, **task: Any) -> dict[str, Any]:
    """A job of this image's shell."""
    return _job({"Type": "docker", "Params": {"Image": image, "Entrypoint": ["sh", "-c", script]}}, "batch", count, task)


@lru_cache
def sleeper(seconds: float, code: int = 0) -> bytes:
    """A module that prints a line, sleeps, prints another and exits with the code."""
    text = _SLEEPER.format(nanoseconds=round(seconds * 1e9), code=code)
    return bytes(wasmtime.wat2wasm(text))


def forever() -> tuple[bytes, str]:
    """A module and its parameter that make a program which does not end."""
    return PROBE.read_bytes(), "forever"


def _job(engine: Mapping[str, Any], kind: str, count: int, task: Mapping[str, Any]) -> dict[str, Any]:
    main = {
        "Name": "main",
        "Engine": engine,
        "Resources": {"CPU": "0.1", "Memory": "64MB"},
        # A loop that is given up must not leave it running for ever.
        "Timeouts": {"ExecutionTimeout": 120},
        **task,
    }
    linux = {"Key": "Operating-System", "Operator": "=", "Values": ["linux"]}
    return {"Type": kind, "Count": count, "Tasks": [main], "Constraints": [linux]}
