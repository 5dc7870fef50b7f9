"""The side of the server: has a nursery, and asks it for shims."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Sequence

from gadus.core.errors import EngineUnavailable

from .identity import Identity
from .nursery import LONGEST_MESSAGE_BYTES

_ANSWER_SECONDS = 60.0
"""A nursery imports for a second or two before its first answer."""


class Nursery:
    """One nursery at a time: started when it is first needed, and again when it is gone."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` starts the process; the number of the socket's descriptor is added as its last argument."""
        self._command = command
        self._asking: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = asyncio.Lock()

    async def start(self, execution_id: str) -> Identity:
        """
        A new process for this execution; it may end at once if the execution has one already.

        Raises EngineUnavailable.
        """
        async with self._turn:
            for _ in range(2):
                asking = self._asking or self._begin()
                try:
                    answer = await self._asked(asking, execution_id)
                except (OSError, TimeoutError):
                    # The nursery was killed: what it forked lives on, and a new one forks as well.
                    self.close()
                    continue
                if "error" in answer:
                    break
                return Identity(int(answer["pid"]), int(answer["start_ticks"]), answer["boot_id"])
            raise EngineUnavailable(
                f"no process can be started for execution {execution_id}",
                hint="look at the memory and process limits of this machine",
            )

    def close(self) -> None:
        """Let the nursery end, as soon as its shims have."""
        if self._asking is not None:
            self._asking.close()
            self._asking = None
        if self._process is not None:
            # Only to take note of its end if it has: nobody waits for its shims.
            self._process.poll()

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        ours.setblocking(False)
        self._asking = ours
        return ours

    async def _asked(self, asking: socket.socket, execution_id: str) -> dict[str, str]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_ANSWER_SECONDS):
            await loop.sock_sendall(asking, execution_id.encode())
            while True:
                text = await loop.sock_recv(asking, LONGEST_MESSAGE_BYTES)
                if not text:
                    raise ConnectionResetError("the nursery is gone")
                answer: dict[str, str] = json.loads(text)
                # One that was given up on may still be answered.
                if answer["id"] == execution_id:
                    return answer
