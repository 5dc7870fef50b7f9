"""
Whether this node takes a job, by its own policy: where its data is, and what a command or a service of the operator says.

What a node can never run (engines, network, amounts) is not asked here: see `gadus.core.placement.reasons_against`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from gadus.config import Policy
from gadus.core.placement import Needs
from gadus.core.problem import clipped

PROBE_SECONDS = 10.0
ANSWER_HOLDS_SECONDS = 30.0
"""Less than the pause after which a node that refused is asked again."""
_MOST_REASON_BYTES = 4096
_ANSWERS_KEPT = 1000


async def refusal(policy: Policy, spec_json: bytes, needs: Needs, local_inputs: bool) -> str:
    """
    Why this node does not take the job; empty when it does.

    `spec_json` is the job as it is on the wire; `local_inputs` says whether all its inputs are on this machine. A probe that
    does not answer in `PROBE_SECONDS` has not accepted: the job is refused.
    """
    if policy.local_data_only and not needs.stateless and not local_inputs:
        return "this node runs only jobs whose inputs are on it already"
    if policy.probe_command and (reason := await _refused_by_command(policy.probe_command, spec_json)):
        return reason
    if policy.probe_url:
        return await _refused_by_service(policy.probe_url, spec_json)
    return ""


@dataclass(slots=True)
class _Answer:
    reason: str = ""
    holds_until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Answers:
    """What the policy said of each job, for a while: a job of a thousand executions is not asked about a thousand times."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, _Answer] = {}

    async def of(self, job: Hashable, ask: Callable[[], Awaitable[str]]) -> str:
        """What `ask` says, or said just now. Who comes while it is being asked waits for the same answer."""
        answer = self._answers.setdefault(job, _Answer())
        async with answer.asking:
            if answer.holds_until <= time.monotonic():
                answer.reason = await ask()
                answer.holds_until = time.monotonic() + ANSWER_HOLDS_SECONDS
                self._forget_some()
            return answer.reason

    def _forget_some(self) -> None:
        now = time.monotonic()
        if len(self._answers) > _ANSWERS_KEPT:
            for job, answer in list(self._answers.items()):
                if answer.holds_until <= now and not answer.asking.locked():
                    del self._answers[job]


async def _refused_by_command(command: str, spec_json: bytes) -> str:
    """Run `command` in a shell, the job on its standard input. 0 accepts; else the first line of its errors is the reason."""
    # Files, not pipes: nobody has to read or write them, and no child that is left behind can hold them open for us.
    with tempfile.TemporaryFile() as job, tempfile.TemporaryFile() as errors:
        job.write(spec_json)
        job.seek(0)
        try:
            exit_code = await _exit_code(command, job, errors)
        except TimeoutError:
            return f"the probe command did not answer within {PROBE_SECONDS:g} s"
        if exit_code == 0:
            return ""
        errors.seek(0)
        return _first_line(errors.read(_MOST_REASON_BYTES)) or f"the probe command exited with {exit_code}"


async def _exit_code(command: str, stdin: IO[bytes], stderr: IO[bytes]) -> int:
    """How the command ends, which leaves no process behind. Raises TimeoutError."""
    probe = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, stdin=stdin, stdout=asyncio.subprocess.DEVNULL, stderr=stderr, start_new_session=True
    )
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe.wait()
    finally:
        # Its children, too, and those also when it has ended itself.
        with suppress(ProcessLookupError):
            os.killpg(probe.pid, signal.SIGKILL)
        await probe.wait()


async def _refused_by_service(url: str, spec_json: bytes) -> str:
    """Post the job to `url`; 2xx accepts, any other answer is a refusal, with the first line of its text as the reason."""
    import aiohttp  # noqa: PLC0415 - most nodes have no such probe, and it takes long

    timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
    headers = {"Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=spec_json, headers=headers, allow_redirects=False) as response,
        ):
            if 200 <= response.status < 300:
                return ""
            said = _first_line(await response.content.read(_MOST_REASON_BYTES))
            return f"the probe service answered {response.status}{': ' if said else ''}{said}"
    except TimeoutError:
        return f"the probe service did not answer within {PROBE_SECONDS:g} s"
    except aiohttp.ClientError as error:
        # Not its text: it may hold the address, and that a password.
        return f"the probe service could not be asked ({type(error).__name__})"


def _first_line(text: bytes) -> str:
    line = text.decode(errors="replace").strip().partition("\n")[0]
    return clipped("".join(character for character in line if character.isprintable()))
