"""
The process that forks `_wasm_child`, once for each module that is run or compiled: all of wasmtime is imported here once.

Started by path, with nothing of Gadus in it. Whoever wants a process sends five descriptors through the socket that is our
standard input: order, standard output, standard error, answer, and one end of a tie. Through the tie comes back which process
it is, with a descriptor of it, and later how it ended; when the other end is closed first, the process is killed.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

CHILD = Path(__file__).with_name("_wasm_child.py")
ANSWER = 3
"""Where the process writes its answer."""
_DESCRIPTORS = 5
_READ_BYTES = 4096


def main() -> None:
    """Until nobody is left who could ask, and every process has ended."""
    # Whoever is asked to end is who asks us; and our end is that of every program.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    specification = importlib.util.spec_from_file_location("_wasm_child", CHILD)
    assert specification is not None
    assert specification.loader is not None
    child = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(child)
    # What is here now stays: collecting it would copy every page of it in every process.
    gc.collect()
    gc.freeze()
    _Nursery(socket.socket(fileno=os.dup(0)), child.main).serve()


class _Nursery:
    def __init__(self, asking: socket.socket, become: Callable[[], None]) -> None:
        self._asking = asking
        self._become = become
        self._ties: dict[int, socket.socket] = {}
        self._open = True
        self._selector = selectors.DefaultSelector()
        self._selector.register(asking, selectors.EVENT_READ, self._hear)
        woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(woken, selectors.EVENT_READ, partial(self._note_ends, woken))
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        while self._open or self._ties:
            for key, _ in self._selector.select():
                key.data()

    def _hear(self) -> None:
        text, descriptors, _, _ = socket.recv_fds(self._asking, _READ_BYTES, _DESCRIPTORS)
        if not text:
            self._selector.unregister(self._asking)
            self._open = False
            return
        # Who asks sees by the closed tie that nothing became of it: there are fewer when we have too many open.
        if len(descriptors) == _DESCRIPTORS:
            *theirs, tie = descriptors
            with suppress(OSError):
                self._fork(theirs, socket.socket(fileno=os.dup(tie)))
        for descriptor in descriptors:
            os.close(descriptor)

    def _fork(self, theirs: list[int], tie: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError:
            tie.close()
            raise
        if pid == 0:
            self._be_the_child(theirs)
        self._ties[pid] = tie
        self._selector.register(tie, selectors.EVENT_READ, partial(self._left, pid))
        try:
            process = os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            raise
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(tie, [json.dumps({"pid": pid, "parent": os.getpid()}).encode()], [process])
        os.close(process)

    def _left(self, pid: int) -> None:
        """Nobody wants it any more."""
        if pid in self._ties:
            self._selector.unregister(self._ties[pid])
            # Nobody took note of its end yet, so the number is its own.
            os.kill(pid, signal.SIGKILL)

    def _note_ends(self, woken: int) -> None:
        with suppress(BlockingIOError):
            os.read(woken, _READ_BYTES)
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                self._tell(self._ties.pop(pid), os.waitstatus_to_exitcode(status))

    def _tell(self, tie: socket.socket, status: int) -> None:
        with suppress(KeyError):
            self._selector.unregister(tie)
        with suppress(BrokenPipeError, ConnectionResetError):
            tie.send(json.dumps({"status": status}).encode())
        tie.close()

    def _be_the_child(self, theirs: list[int]) -> None:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Those up to `ANSWER` were our own, so none is overwritten before it is copied.
            for number, descriptor in enumerate(theirs):
                os.dup2(descriptor, number, inheritable=False)
            os.closerange(ANSWER + 1, os.sysconf("SC_OPEN_MAX"))
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            self._become()
        finally:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)


if __name__ == "__main__":
    main()
