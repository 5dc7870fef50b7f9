"""The side of the server: has a nursery, and asks it for shims."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from gadus.core.errors import EngineLost, EngineUnavailable

from .forked import LONGEST_MESSAGE_BYTES
from .identity import Identity

T = TypeVar("T")
_TRIES = 3
_ANSWER_SECONDS = 60.0
"""A nursery imports for a second or two before its first answer."""


class Nursery:
    """One nursery at a time: started when it is first needed, and again when it is gone."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` starts the process; the number of the socket's descriptor is added as its last argument."""
        self._command = command
        self._asking: socket.socket | None = None
        self._deaf: Callable[[], object] = lambda: None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ended: WeakValueDictionary[str, asyncio.Future[None]] = WeakValueDictionary()

    async def start(self, execution_id: str) -> Identity:
        """
        A process for this execution; it may leave it at once if the execution has one already.

        Raises EngineUnavailable when there can be none now, and EngineLost when who forks them was killed again and again.
        """
        for _ in range(_TRIES):
            asking = self._asking or self._begin()
            try:
                answer = await self._answer(asking, execution_id)
            except (OSError, TimeoutError):
                # The nursery was killed: what it forked lives on, and a new one forks as well, maybe for another already.
                if self._asking is asking:
                    self.close()
                continue
            if "error" in answer:
                raise EngineUnavailable(
                    f"no process can be started for execution {execution_id}: {answer['error']}",
                    hint="look at the memory and process limits of this machine",
                )
            return Identity(int(answer["pid"]), int(answer["start_ticks"]), answer["boot_id"])
        raise EngineLost(
            f"the process that starts executions was ended {_TRIES} times before it came to execution {execution_id}",
            hint="it is tried again; look who ends processes of this machine, often for want of memory",
        )

    def end_of(self, execution_id: str) -> asyncio.Future[None]:
        """Done when the nursery says that the execution has ended; never for one that another nursery started."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return self._ended.setdefault(execution_id, future)

    async def over(self, execution_id: str, *, again: bool) -> None:
        """The end of this execution is known, and nobody will ask its process for anything; it may run another if `again`."""
        if self._asking is not None:
            # When the nursery is gone its processes end by themselves.
            with suppress(OSError):
                await self._say(self._asking, {"over": execution_id, "again": again})

    def close(self) -> None:
        """Let the nursery end, as soon as its shims have."""
        if self._asking is not None:
            self._deaf()
            self._asking.close()
            self._asking = None
            for answer in self._asked.values():
                _set(answer, ConnectionResetError("the nursery is gone"))
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
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, self._hear, ours)
        self._deaf = partial(loop.remove_reader, ours)
        return ours

    async def _answer(self, asking: socket.socket, execution_id: str) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[execution_id] = answer
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._say(asking, {"start": execution_id})
                return await answer
        finally:
            del self._asked[execution_id]

    async def _say(self, asking: socket.socket, message: Mapping[str, object]) -> None:
        await asyncio.get_running_loop().sock_sendall(asking, json.dumps(message).encode())

    def _hear(self, asking: socket.socket) -> None:
        if asking is not self._asking:
            return
        try:
            text = asking.recv(LONGEST_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            text = b""
        if not text:
            self.close()
            return
        message: dict[str, Any] = json.loads(text)
        if "ended" in message:
            _set(self._ended.get(message["ended"]), None)
        else:
            # One that was given up on may still be answered.
            _set(self._asked.get(message["id"]), message)


def _set(future: asyncio.Future[T] | None, result: T | Exception) -> None:
    if future is None or future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
