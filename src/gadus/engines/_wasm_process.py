"""Starts `_wasm_child` for one order, passes on what it prints, and ends it whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gadus.contracts import Output, Stream
from gadus.core.errors import EngineUnavailable

from ._wasm_pace import pace

CHILD = Path(__file__).with_name("_wasm_child.py")
_READ_BYTES = 65536
_LONGEST_ANSWER_BYTES = 65536


async def answer_to(order: Mapping[str, Any], output: Output, *, cpu_cores: float = 0.0) -> dict[str, Any]:
    """
    What a new process answers to `order`; all that it prints goes to `output`. It has `cpu_cores` of a core, 0 is all of one.

    On every exit the process is gone. When it ended without an answer, this is how, as ``{"died": "..."}``.
    Raises EngineUnavailable when no process can be started.
    """
    reading, writing = os.pipe()
    try:
        process = await _started(writing)
        try:
            whole = json.dumps({**order, "parent": os.getpid(), "answer_to": writing}).encode()
            async with asyncio.TaskGroup() as group:
                group.create_task(_give(process, whole))
                following = group.create_task(_follow(process, output))
                if 0 < cpu_cores < 1:
                    pacing = group.create_task(pace(process.pid, cpu_cores))
                    following.add_done_callback(lambda _: pacing.cancel())
        finally:
            # It has no children: a WebAssembly program cannot start any.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            # What it printed before it was killed still waits in the pipes.
            await asyncio.shield(_follow(process, output))
        return _read_answer(reading, process)
    finally:
        os.close(reading)


async def _started(writing: int) -> Process:
    """A process that waits for its order: no environment, none of our descriptors but `writing`, nothing of the user's path."""
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(CHILD),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={},
            cwd="/",
            pass_fds=(writing,),
            start_new_session=True,
        )
    except OSError as exc:
        raise EngineUnavailable(f"no process can be started for the WebAssembly module: {exc}") from exc
    finally:
        os.close(writing)


async def _give(process: Process, order: bytes) -> None:
    assert process.stdin is not None
    # A process that ended early is noticed by its missing answer.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(order)
        await process.stdin.drain()
    process.stdin.close()


async def _follow(process: Process, output: Output) -> None:
    """Pass on everything until both streams and the process end."""
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as group:
        group.create_task(_pump(process.stdout, Stream.STDOUT, output))
        group.create_task(_pump(process.stderr, Stream.STDERR, output))
        group.create_task(process.wait())


async def _pump(reader: asyncio.StreamReader, stream: Stream, output: Output) -> None:
    while data := await reader.read(_READ_BYTES):
        output.write(stream, data)


def _read_answer(reading: int, process: Process) -> dict[str, Any]:
    # The process is gone, so what it wrote is all there, and shorter than a pipe holds.
    text = os.read(reading, _LONGEST_ANSWER_BYTES)
    if text:
        answer: dict[str, Any] = json.loads(text)
        return answer
    code = process.returncode or 0
    return {"died": f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"}
