"""
The process that forks shims: everything they need is imported there once, so that a fork is all that a new one costs.

It has one thread and no event loop, so that a fork of it is a whole process. It ends when nobody asks any more and its last
shim is gone: until then it takes note of their ends, so that none stays behind as a zombie.

A shim whose execution has ended rests until the server knows the end, and says whether the process may run another: warm, it
does so in a fraction of the time. Until then nobody can mean the wrong execution with a signal to it.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial

from .forked import LONGEST_MESSAGE_BYTES, BecomeShim, Shim, fork

_WAITING_KEPT = 64
_WAITING_SECONDS = 10.0
"""As many processes as ran at once wait so long for more to run; each has some 20 MB of its own. One always waits."""
_FORK_AGAIN_SECONDS = 1.0


def serve(asking: socket.socket, become_shim: BecomeShim) -> None:
    """
    Answer who asks, see `gadus.shims.asking`: which process runs an execution, and that it has ended.

    `become_shim` is called in a forked process with the ids of its executions, one after the other: to ask for the next one is
    to say that the last one's end is on the disk. One process is forked ahead, so that the next execution need not wait for
    its fork. Returns when the other side has closed `asking` and every shim has ended.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    # What is here now stays: collecting it would copy every page of it in every shim.
    gc.collect()
    gc.freeze()
    _Nursery(asking, become_shim).serve()


class _Nursery:
    def __init__(self, asking: socket.socket, become_shim: BecomeShim) -> None:
        self._asking = asking
        self._become_shim = become_shim
        self._woken = _on_child_end()
        self._waiting: list[Shim] = []
        self._busy: dict[str, Shim] = {}
        self._children: set[int] = set()
        self._no_fork_before = 0.0
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ, self._note_ends)
        self._selector.register(asking, selectors.EVENT_READ, self._hear)
        self._open = True

    def serve(self) -> None:
        while self._open or self._children:
            ready = self._selector.select(self._leisure_in())
            # Who asks comes first; the next process is forked while nobody does.
            for key, _ in ready:
                key.data()
            if not ready:
                self._keep_one_waiting()

    def _leisure_in(self) -> float | None:
        """After how many seconds without a message there is something to do about those who wait."""
        if not self._waiting:
            return max(0.0, self._no_fork_before - time.monotonic()) if self._open else None
        if len(self._waiting) == 1:
            return None
        return max(0.0, self._waiting[0].waits_since + _WAITING_SECONDS - time.monotonic())

    def _keep_one_waiting(self) -> None:
        if not self._waiting:
            if shim := self._forked():
                self._waiting.append(shim)
            return
        now = time.monotonic()
        while len(self._waiting) > 1 and self._waiting[0].waits_since + _WAITING_SECONDS <= now:
            self._waiting.pop(0).telling.close()

    def _note_ends(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, LONGEST_MESSAGE_BYTES)
        self._children -= set(_ended())

    def _hear(self) -> None:
        """The next that the server says; nothing when nobody asks any more."""
        try:
            text = self._asking.recv(LONGEST_MESSAGE_BYTES)
        except ConnectionResetError:
            # A server that was killed left an answer unread.
            text = b""
        if not text:
            self._close()
            return
        message = json.loads(text)
        if "start" in message:
            self._start(message["start"])
        elif shim := self._busy.pop(message["over"], None):
            self._let_go(shim, again=message["again"])

    def _start(self, execution_id: str) -> None:
        """Give it to a process, and say which that is."""
        while shim := self._waiting.pop() if self._waiting else self._forked():
            shim.execution_id = execution_id
            try:
                shim.telling.send(execution_id.encode())
            except (BrokenPipeError, ConnectionResetError):
                # Somebody killed it as it waited.
                shim.telling.close()
                continue
            self._busy[execution_id] = shim
            self._selector.register(shim.telling, selectors.EVENT_READ, partial(self._has_ended, shim))
            self._say({"id": execution_id, **asdict(shim.identity)})
            return
        self._say({"id": execution_id, "error": "no process can be forked"})

    def _has_ended(self, shim: Shim) -> None:
        """Its execution has, or the whole process."""
        if shim.telling.fileno() < 0:
            # It was let go in the same moment.
            return
        self._selector.unregister(shim.telling)
        try:
            shim.rests = bool(shim.telling.recv(LONGEST_MESSAGE_BYTES))
        except ConnectionResetError:
            shim.rests = False
        if shim.again:
            # The server had read the end before it was told.
            self._wait_for_another(shim)
        elif shim.rests and self._open:
            self._say({"ended": shim.execution_id})
        else:
            self._busy.pop(shim.execution_id, None)
            shim.telling.close()

    def _let_go(self, shim: Shim, *, again: bool) -> None:
        """The server knows the end of its execution."""
        shim.again = again
        if shim.rests:
            self._wait_for_another(shim)
        elif not again:
            self._selector.unregister(shim.telling)
            shim.telling.close()

    def _wait_for_another(self, shim: Shim) -> None:
        if shim.rests and shim.again and self._open and len(self._waiting) < _WAITING_KEPT:
            shim.rests = shim.again = False
            shim.waits_since = time.monotonic()
            self._waiting.append(shim)
        else:
            shim.telling.close()

    def _forked(self) -> Shim | None:
        try:
            shim = fork(self._let_go_of_everything, self._become_shim)
        except OSError:
            # Rather wait for the next who asks than try it again at once.
            self._no_fork_before = time.monotonic() + _FORK_AGAIN_SECONDS
            return None
        self._children.add(shim.identity.pid)
        return shim

    def _let_go_of_everything(self) -> None:
        """What another process is told is for that one alone, and only its own end closes it."""
        self._asking.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._woken)
        self._selector.close()
        for shim in (*self._waiting, *self._busy.values()):
            shim.telling.close()

    def _close(self) -> None:
        self._open = False
        self._selector.unregister(self._asking)
        _let_go_of_output()
        for shim in (*self._waiting, *(one for one in self._busy.values() if one.rests)):
            shim.telling.close()
        self._waiting.clear()

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


def _ended() -> Iterator[int]:
    with suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            yield pid
