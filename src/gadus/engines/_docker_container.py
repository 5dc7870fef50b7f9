"""One program as one container: made, followed to its end, removed."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream as Attached

from gadus.contracts import Output, Program, Stream

from ._docker_client import carried_through
from ._docker_ending import STEP_SECONDS, judged, no_command, out_of_memory_of

DRAIN_SECONDS = 30.0
"""After the end of a program less than a megabyte of its output is still on its way."""
REMOVE_SECONDS = 10.0
LONGEST_COMPLAINT_BYTES = 8192
"""An init that cannot start the command says so in less."""

_STREAMS = {1: Stream.STDOUT, 2: Stream.STDERR}
_ALREADY_GONE, _ALREADY_THERE, _BEING_REMOVED = 404, 409, 409
_NO_COMMAND = re.compile(r"executable file .*not found|no such file or directory|permission denied", re.IGNORECASE)
_TOO_SMALL = re.compile(r"OOM-killed|memory limit too low", re.IGNORECASE)


def name_of(execution_id: str) -> str:
    return f"gadus-{execution_id}"


async def run_container(
    docker: Docker, program: Program, order: Mapping[str, Any], output: Output, started: asyncio.Event
) -> int:
    """
    The exit code of a container made by `order` (the body of Docker's create call). It is gone on every exit.

    `started` is set when the program runs.

    Raises OutOfMemory, ProgramUnusable, EngineUnavailable and errors of aiodocker.
    """
    name = name_of(program.execution_id)
    try:
        # To its end also when cancelled: a container that appears after the removal would stay.
        container = await carried_through(_create(docker, name, order), STEP_SECONDS)
        # Before the start, so that no output is missed.
        async with _attached_to(container) as attached:
            await _start(container, program)
            started.set()
            complaint = await _follow(container, attached, output, program.grace_seconds)
        return await judged(docker, container, program, complaint, output)
    finally:
        # What cannot be removed now is removed by the next sweep; the outcome so far is the one to tell.
        with suppress(DockerError, aiohttp.ClientError, TimeoutError):
            await carried_through(remove(docker, name), REMOVE_SECONDS)


async def remove(docker: Docker, name: str) -> None:
    """The container `name` is killed and gone with its anonymous volumes; nothing happens when there is none."""
    try:
        await docker.containers.container(name).delete(force=True, v=True)
    except DockerError as exc:
        if exc.status not in (_ALREADY_GONE, _BEING_REMOVED):
            raise


async def _create(docker: Docker, name: str, order: Mapping[str, Any]) -> DockerContainer:
    try:
        return await docker.containers.create(order, name=name)
    except DockerError as exc:
        if exc.status != _ALREADY_THERE:
            raise
    # Left by a crash during the same execution.
    await remove(docker, name)
    return await docker.containers.create(order, name=name)


@asynccontextmanager
async def _attached_to(container: DockerContainer) -> AsyncIterator[Attached]:
    attached = container.attach(stdout=True, stderr=True)
    try:
        async with asyncio.timeout(STEP_SECONDS):
            await attached.__aenter__()
        yield attached
    finally:
        await attached.close()


async def _start(container: DockerContainer, program: Program) -> None:
    try:
        async with asyncio.timeout(STEP_SECONDS):
            await container.start()
    except DockerError as exc:
        if _TOO_SMALL.search(exc.message):
            raise out_of_memory_of(program) from exc
        if _NO_COMMAND.search(exc.message):
            raise await no_command(container, exc.message) from exc
        raise


async def _follow(container: DockerContainer, attached: Attached, output: Output, grace_seconds: Callable[[], float]) -> bytes:
    """Returns when the program has ended and `output` has everything; gives the first that it wrote to stderr."""
    try:
        async with asyncio.TaskGroup() as group:
            pumping = group.create_task(_pump(attached, output))
            # The attached stream cannot tell the program's end from the engine's; this call can.
            waiting = group.create_task(container.wait())
            try:
                await asyncio.wait([waiting])
            except asyncio.CancelledError:
                # What cannot be done here the removal does; the cancellation is what is told.
                with suppress(DockerError, aiohttp.ClientError, TimeoutError):
                    await _end(container, grace_seconds())
                    await _drained(pumping)
                raise
            await _drained(pumping)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return pumping.result()


async def _end(container: DockerContainer, grace_seconds: float) -> None:
    """The program was asked to end, and is killed if it has not in time. Cancelled again: at once, by the removal."""
    whole_seconds = math.ceil(grace_seconds)
    async with asyncio.timeout(whole_seconds + STEP_SECONDS):
        if whole_seconds > 0:
            await container.stop(t=whole_seconds)
        else:
            await container.kill(signal="SIGKILL")


async def _drained(pumping: asyncio.Task[bytes]) -> None:
    async with asyncio.timeout(DRAIN_SECONDS):
        await asyncio.wait([pumping])


async def _pump(attached: Attached, output: Output) -> bytes:
    complaint = b""
    while (message := await attached.read_out()) is not None:
        stream = _STREAMS.get(message.stream, Stream.STDERR)
        output.write(stream, message.data)
        if stream is Stream.STDERR and len(complaint) < LONGEST_COMPLAINT_BYTES:
            complaint += message.data
    return complaint
