"""Starts `_wasm_child` for one order, passes on what it prints, and ends it whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from gadus.contracts import Output, Stream

from ._wasm_pace import pace
from ._wasm_started import Started, start

_READ_BYTES = 65536
_LONGEST_ANSWER_BYTES = 65536


async def answer_to(order: Mapping[str, Any], output: Output, *, cpu_cores: float = 0.0) -> dict[str, Any]:
    """
    What a new process answers to `order`; all that it prints goes to `output`. It has `cpu_cores` of a core, 0 is all of one.

    On every exit the process is gone. When it ended without an answer, this is how, as ``{"died": "..."}``.
    Raises EngineUnavailable when no process can be started.
    """
    process = start()
    streams = ((process.stdout, Stream.STDOUT), (process.stderr, Stream.STDERR))
    pumps = [asyncio.create_task(_pump(descriptor, stream, output)) for descriptor, stream in streams]
    try:
        whole = json.dumps({**order, "parent": process.parent, "answer_to": process.answer_to}).encode()
        giving = asyncio.create_task(_give(process.order, whole))
        pacing = asyncio.create_task(pace(process.pid, process.process, cpu_cores)) if 0 < cpu_cores < 1 else None
        try:
            await _all([asyncio.create_task(process.wait()), *pumps])
        finally:
            # It has no children: a WebAssembly program cannot start any.
            process.kill()
            if pacing is not None:
                pacing.cancel()
            # What it printed before it was killed still waits in the pipes.
            await _to_its_end(asyncio.create_task(_over(process, giving, pumps)))
        return _read_answer(process)
    finally:
        process.close()


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all, or for the first that fails: who listens no more must not keep the process waiting."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _to_its_end(task: asyncio.Task[None]) -> None:
    """Wait for `task` also when cancelled meanwhile, however often; only then does the cancellation go on."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


async def _over(process: Started, giving: asyncio.Task[None], pumps: Sequence[asyncio.Task[None]]) -> None:
    await process.wait()
    await asyncio.gather(giving, *pumps, return_exceptions=True)


async def _give(descriptor: int, order: bytes) -> None:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(descriptor, "wb", 0))
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    # A process that ended early is noticed by its missing answer.
    with suppress(BrokenPipeError, ConnectionResetError):
        writer.write(order)
        await writer.drain()
    writer.close()


async def _pump(descriptor: int, stream: Stream, output: Output) -> None:
    """Pass on everything until the stream ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while data := await reader.read(_READ_BYTES):
            output.write(stream, data)
    finally:
        transport.close()


def _read_answer(process: Started) -> dict[str, Any]:
    # The process is gone, so what it wrote is all there, and shorter than a pipe holds.
    text = os.read(process.answer, _LONGEST_ANSWER_BYTES)
    if text:
        answer: dict[str, Any] = json.loads(text)
        return answer
    code = process.status or 0
    return {"died": f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"}
