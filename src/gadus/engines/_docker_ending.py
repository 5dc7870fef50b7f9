"""What the end of a container means: the program's own doing, its limits, or somebody else's hand."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer

from gadus.contracts import Output, Program
from gadus.core.errors import EngineLost, OutOfMemory, ProgramUnusable
from gadus.core.units import format_bytes

from ._docker_client import ASK_SECONDS, NO_CONNECTION

STEP_SECONDS = 60.0
"""A busy disk can make every step slow: creating, attaching, starting, asking how it ended."""
LATE_SECONDS = (0.25, 0.5, 1.25)
"""
Pauses after which the engine may have heard, or written down, who or what ended a program.

All of them after a SIGKILL, which is how the kernel takes memory back: of that, an engine on a busy machine hears late.
"""

_SIGNALLED = 128
"""Exit codes above it are those of a signal."""
_KILLED = _SIGNALLED + 9
_MEMORY = "memory"
_ENDING_SIGNALS = frozenset({"2", "3", "9", "15"})
# The engine's init tells of a command that it cannot start only in the program's own stderr, in several pieces.
_INIT_FAILED = re.compile(rb"\[FATAL tini \(\d+\)\] exec .* failed: (?P<reason>.*)")
_INIT_FAILED_CODES = (126, 127)


async def judged(docker: Docker, container: DockerContainer, program: Program, complaint: bytes, output: Output) -> int:
    """
    The exit code of a container that has ended and that this process did not ask to end.

    `complaint` is the first that it wrote to its standard error. Raises OutOfMemory, ProgramUnusable, EngineLost.
    """
    state = await _state(container)
    if state["Running"]:
        raise EngineLost("the container engine was restarted during the run", hint="the job can be tried again")
    exit_code = int(state["ExitCode"])
    cause = await _cause(docker, container, state)
    if cause is None and exit_code > _SIGNALLED:
        cause = await _late_cause(docker, container, exit_code)
    if cause is _MEMORY and exit_code:
        raise out_of_memory_of(program)
    if cause is _MEMORY:
        # Only a child of the program was killed: whether the results are whole only its author can say.
        limit = f" at the limit of {format_bytes(program.memory_bytes)}" if program.memory_bytes else ""
        output.note(f"a process of the program was killed for its memory{limit}, and the program ended with exit code 0")
    elif cause:
        raise _ended_by_others(cause, exit_code)
    if exit_code in _INIT_FAILED_CODES and (failed := _INIT_FAILED.fullmatch(complaint.strip())):
        raise await no_command(container, failed["reason"].decode(errors="replace"))
    return exit_code


async def no_command(container: DockerContainer, reason: str) -> ProgramUnusable:
    """The error of a command that is not there, or is no program."""
    async with asyncio.timeout(STEP_SECONDS):
        config = (await container.show())["Config"]
    command = [*(config["Entrypoint"] or ()), *(config["Cmd"] or ())]
    return ProgramUnusable(
        f"image {config['Image']} cannot start the command {' '.join(command)!r}: {reason.strip()}",
        hint="the first word must be a program inside the image, on its PATH or with its whole path (Entrypoint, Parameters)",
    )


def out_of_memory_of(program: Program) -> OutOfMemory:
    """The error of a program that the kernel killed for its memory, or would have."""
    if not program.memory_bytes:
        return OutOfMemory(
            "the program was killed because this machine has no memory left", hint="give it a limit that fits, with --memory"
        )
    return OutOfMemory(
        f"the program reached its limit of {format_bytes(program.memory_bytes)} of memory and was killed",
        hint=f"ask for more, e.g. --memory {2 * program.memory_bytes // 2**20}MiB (Resources.Memory in a job file)",
    )


async def _state(container: DockerContainer) -> dict[str, Any]:
    async with asyncio.timeout(STEP_SECONDS):
        state: dict[str, Any] = (await container.show())["State"]
    return state


async def _cause(docker: Docker, container: DockerContainer, state: dict[str, Any]) -> str | None:
    """_MEMORY, or the number of the signal that was sent by way of the engine; None as far as the engine knows of neither."""
    happened = await _events(docker, container, state["StartedAt"])
    for event in happened:
        signal = str(event.get("Actor", {}).get("Attributes", {}).get("signal", ""))
        # First: what was short of memory before may have gone on until then.
        if _action(event) == "kill" and signal in _ENDING_SIGNALS:
            return signal
    out_of_memory = state["OOMKilled"] or any(_action(event) == "oom" for event in happened)
    return _MEMORY if out_of_memory else None


async def _late_cause(docker: Docker, container: DockerContainer, exit_code: int) -> str | None:
    """See `_cause`: what the engine had not heard yet, or not written down yet."""
    for seconds in LATE_SECONDS if exit_code == _KILLED else LATE_SECONDS[:1]:
        await asyncio.sleep(seconds)
        if cause := await _cause(docker, container, await _state(container)):
            return cause
    return None


async def _events(docker: Docker, container: DockerContainer, since: str) -> Sequence[dict[str, Any]]:
    # With a time to come the engine would wait for what happens until then.
    asked = {
        "since": _unix_time(since),
        "until": f"{time.time():.6f}",
        "filters": json.dumps({"container": [container.id], "event": ["kill", "oom"]}),
    }
    try:
        # The library only knows how to listen for what comes.
        async with asyncio.timeout(ASK_SECONDS), docker._query("events", params=asked) as answer:  # noqa: SLF001 - as above
            return [json.loads(line) for line in (await answer.text()).splitlines() if line.strip()]
    except TimeoutError:
        return ()
    except DockerError as exc:
        if exc.status == NO_CONNECTION:
            raise
        # Not every engine remembers.
        return ()


def _action(event: dict[str, Any]) -> str:
    return str(event.get("Action") or event.get("status") or "")


def _ended_by_others(signal: str, exit_code: int) -> EngineLost:
    return EngineLost(
        f"the container was sent signal {signal} from outside and ended with exit code {exit_code}: "
        "the container engine was stopped or restarted, or somebody stopped the container",
        hint="the job can be tried again; with live-restore a restart of the engine leaves containers alone",
    )


def _unix_time(text: str) -> str:
    """Seconds and nanoseconds, as the engine wants them, of "2026-01-02T03:04:05.123456789Z"."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return f"{int(datetime.fromisoformat(whole + '+00:00').timestamp())}.{fraction[:9]:0<9}"
