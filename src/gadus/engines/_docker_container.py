"""One program as one container: made, followed to its end, removed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream as Attached

from gadus.contracts import Output, Program, Stream
from gadus.core.errors import EngineUnavailable, OutOfMemory, ProgramUnusable
from gadus.core.units import format_bytes

from ._docker_client import carried_through

STEP_SECONDS = 60.0
"""A busy disk can make every step slow: creating, attaching, starting, asking how it ended."""
DRAIN_SECONDS = 30.0
"""After the end of a program less than a megabyte of its output is still on its way."""
REMOVE_SECONDS = 10.0
LONGEST_COMPLAINT_BYTES = 8192
"""An init that cannot start the command says so in less."""

_STREAMS = {1: Stream.STDOUT, 2: Stream.STDERR}
_ALREADY_GONE, _ALREADY_THERE, _BEING_REMOVED = 404, 409, 409
_NO_COMMAND = re.compile(r"executable file .*not found|no such file or directory|permission denied", re.IGNORECASE)
_TOO_SMALL = re.compile(r"OOM-killed|memory limit too low", re.IGNORECASE)
# The engine's init tells of a command that it cannot start only in the program's own stderr, in several pieces.
_INIT_FAILED = re.compile(rb"\[FATAL tini \(\d+\)\] exec .* failed: (?P<reason>.*)")
_INIT_FAILED_CODES = (126, 127)


def name_of(execution_id: str) -> str:
    return f"gadus-{execution_id}"


async def run_container(docker: Docker, program: Program, order: Mapping[str, Any], output: Output) -> int:
    """
    The exit code of a container made by `order` (the body of Docker's create call). It is gone on every exit.

    Raises OutOfMemory, ProgramUnusable, EngineUnavailable and errors of aiodocker.
    """
    name = name_of(program.execution_id)
    try:
        # To its end also when cancelled: a container that appears after the removal would stay.
        container = await carried_through(_create(docker, name, order), STEP_SECONDS)
        # Before the start, so that no output is missed.
        async with _attached_to(container) as attached:
            await _start(container, program)
            complaint = await _follow(container, attached, output)
        return await _judge(container, program, complaint)
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
            raise _out_of_memory(program) from exc
        if _NO_COMMAND.search(exc.message):
            raise await _no_command(container, exc.message) from exc
        raise


async def _follow(container: DockerContainer, attached: Attached, output: Output) -> bytes:
    """Returns when the program has ended and `output` has everything; gives the first that it wrote to stderr."""
    try:
        async with asyncio.TaskGroup() as group:
            pumping = group.create_task(_pump(attached, output))
            # The attached stream cannot tell the program's end from the engine's; this call can.
            await container.wait()
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.wait([pumping])
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return pumping.result()


async def _pump(attached: Attached, output: Output) -> bytes:
    complaint = b""
    while (message := await attached.read_out()) is not None:
        stream = _STREAMS.get(message.stream, Stream.STDERR)
        output.write(stream, message.data)
        if stream is Stream.STDERR and len(complaint) < LONGEST_COMPLAINT_BYTES:
            complaint += message.data
    return complaint


async def _judge(container: DockerContainer, program: Program, complaint: bytes) -> int:
    async with asyncio.timeout(STEP_SECONDS):
        state = (await container.show())["State"]
    if state["Running"]:
        raise EngineUnavailable("the container engine was restarted during the run", hint="the job can be tried again")
    exit_code = int(state["ExitCode"])
    # With 0 only a child of the program was killed, and the program coped.
    if exit_code and state["OOMKilled"]:
        raise _out_of_memory(program)
    if exit_code in _INIT_FAILED_CODES and (failed := _INIT_FAILED.fullmatch(complaint.strip())):
        raise await _no_command(container, failed["reason"].decode(errors="replace"))
    return exit_code


async def _no_command(container: DockerContainer, reason: str) -> ProgramUnusable:
    async with asyncio.timeout(STEP_SECONDS):
        config = (await container.show())["Config"]
    command = [*(config["Entrypoint"] or ()), *(config["Cmd"] or ())]
    return ProgramUnusable(
        f"image {config['Image']} cannot start the command {' '.join(command)!r}: {reason.strip()}",
        hint="the first word must be a program inside the image, on its PATH or with its whole path (Entrypoint, Parameters)",
    )


def _out_of_memory(program: Program) -> OutOfMemory:
    if not program.memory_bytes:
        return OutOfMemory(
            "the program was killed because this machine has no memory left", hint="give it a limit that fits, with --memory"
        )
    return OutOfMemory(
        f"the program reached its limit of {format_bytes(program.memory_bytes)} of memory and was killed",
        hint=f"ask for more, e.g. --memory {2 * program.memory_bytes // 2**20}MiB (Resources.Memory in a job file)",
    )
