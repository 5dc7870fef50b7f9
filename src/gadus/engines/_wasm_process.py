"""Starts `_wasm_child` for one order, passes on what it prints, and ends it whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from gadus.contracts import Output, Stream

from ._wasm_pace import pace
from ._wasm_pipes import give, pieces
from ._wasm_started import Started, start

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
    pacing: list[asyncio.Task[None]] = []
    try:
        whole = json.dumps({**order, "parent": process.parent, "answer_to": process.answer_to}).encode()
        giving = asyncio.create_task(give(process.order, whole))
        if 0 < cpu_cores < 1:
            pacing.append(asyncio.create_task(pace(process.pid, process.process, cpu_cores)))
        try:
            await _all([asyncio.create_task(process.wait()), *pumps])
        finally:
            # It has no children: a WebAssembly program cannot start any.
            process.kill()
            # What it printed before it was killed still waits in the pipes.
            await _to_its_end(asyncio.create_task(_over(process, pacing, [giving, *pumps])))
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


async def _over(process: Started, pacing: Sequence[asyncio.Task[None]], tasks: Sequence[asyncio.Task[None]]) -> None:
    """The tasks see the end of the process by themselves."""
    await process.wait()
    for task in pacing:
        task.cancel()
    await asyncio.gather(*pacing, *tasks, return_exceptions=True)


async def _pump(descriptor: int, stream: Stream, output: Output) -> None:
    """Pass on everything until the stream ends."""
    async with aclosing(pieces(descriptor)) as coming:
        async for piece in coming:
            output.write(stream, piece)


def _read_answer(process: Started) -> dict[str, Any]:
    # The process is gone, so what it wrote is all there, and shorter than a pipe holds.
    text = os.read(process.answer, _LONGEST_ANSWER_BYTES)
    if text:
        answer: dict[str, Any] = json.loads(text)
        return answer
    code = process.status or 0
    return {"died": f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"}
