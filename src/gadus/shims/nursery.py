"""
The process that forks shims: everything they need is imported there once, so that a fork is all that a new one costs.

It has one thread and no event loop, so that a fork of it is a whole process. It ends when nobody asks any more and its last
shim is gone: until then it takes note of their ends, so that none stays behind as a zombie.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from .identity import Identity, identity_of

LONGEST_MESSAGE_BYTES = 4096


def serve(asking: socket.socket, become_shim: Callable[[str], None]) -> None:
    """
    Fork for each execution id that comes in, and answer which process that is; `become_shim` is called in it.

    One process is forked ahead, so that the next execution need not wait for its fork. Returns when the other side has closed
    `asking` and every shim has ended.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    # What is here now stays: collecting it would copy every page of it in every shim.
    gc.collect()
    gc.freeze()
    _Nursery(asking, become_shim).serve()


@dataclass(frozen=True, slots=True)
class _Spare:
    """A process that waits to be told, through `telling`, which execution it is the shim of."""

    identity: Identity
    telling: int


class _Nursery:
    def __init__(self, asking: socket.socket, become_shim: Callable[[str], None]) -> None:
        self._asking = asking
        self._become_shim = become_shim
        self._woken = _on_child_end()
        self._spare: _Spare | None = None
        self._children = 0

    def serve(self) -> None:
        open_ = True
        while open_ or self._children:
            watched: list[int | socket.socket] = [self._woken, self._asking] if open_ else [self._woken]
            # Who asks comes first; the next process is forked while nobody does.
            lonely = open_ and self._spare is None
            ready, _, _ = select.select(watched, [], [], 0 if lonely else None)
            if not ready:
                self._fork_spare()
            if self._woken in ready:
                with suppress(BlockingIOError):
                    os.read(self._woken, LONGEST_MESSAGE_BYTES)
                self._children -= _ended()
            if self._asking in ready:
                request = self._asked()
                open_ = bool(request)
                if open_:
                    self._answer(request)
                else:
                    self._close()

    def _asked(self) -> bytes:
        """The next execution; nothing when nobody asks any more."""
        try:
            return self._asking.recv(LONGEST_MESSAGE_BYTES)
        except ConnectionResetError:
            # A server that was killed left an answer unread.
            return b""

    def _answer(self, execution_id: bytes) -> None:
        """Make one shim, and say which process it is."""
        for _ in range(2):
            spare = self._spare or self._fork_spare()
            self._spare = None
            if spare is None:
                break
            try:
                os.write(spare.telling, execution_id)
            except BrokenPipeError:
                # Somebody killed it as it waited.
                continue
            finally:
                os.close(spare.telling)
            self._say({"id": execution_id.decode(), **asdict(spare.identity)})
            return
        self._say({"id": execution_id.decode(), "error": "no process can be forked"})

    def _fork_spare(self) -> _Spare | None:
        told, telling = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(told)
            os.close(telling)
            # Rather wait for the next who asks than try it again at once.
            select.select([self._asking], [], [], 1.0)
            return None
        if not pid:
            os.close(telling)
            self._be_a_shim(told)
        os.close(told)
        self._children += 1
        # Nobody has taken note of its end yet, so the number is still its own.
        identity = identity_of(pid)
        assert identity is not None
        self._spare = _Spare(identity, telling)
        return self._spare

    def _be_a_shim(self, told: int) -> None:
        status = 1
        try:
            self._asking.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._woken)
            execution_id = os.read(told, LONGEST_MESSAGE_BYTES).decode()
            os.close(told)
            if execution_id:
                self._become_shim(execution_id)
            status = 0
        finally:
            if status:
                traceback.print_exc()
                sys.stderr.flush()
            # Nothing of the nursery is to be tidied up here, and threads may be left.
            os._exit(status)

    def _close(self) -> None:
        _let_go_of_output()
        if self._spare is not None:
            os.close(self._spare.telling)
            self._spare = None

    def _say(self, answer: dict[str, object]) -> None:
        # Who asked may be gone by now.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._asking.send(json.dumps(answer).encode())


def _let_go_of_output() -> None:
    """Whoever reads the server's output to its end must not wait for the shims, too."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)


def _on_child_end() -> int:
    """A descriptor that is readable after a child ended."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading


def _ended() -> int:
    count = 0
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            count += 1
    return count
