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
from dataclasses import asdict

from .identity import identity_of

LONGEST_MESSAGE_BYTES = 4096


def serve(asking: socket.socket, become_shim: Callable[[str], None]) -> None:
    """
    Fork for each execution id that comes in, and answer which process that is; `become_shim` is called in it.

    Returns when the other side has closed `asking` and every shim has ended.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    woken = _on_child_end()
    # What is here now stays: collecting it would copy every page of it in every shim.
    gc.collect()
    gc.freeze()
    shims = 0
    open_ = True
    while open_ or shims:
        watched: list[int | socket.socket] = [woken, asking] if open_ else [woken]
        ready, _, _ = select.select(watched, [], [])
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, LONGEST_MESSAGE_BYTES)
            shims -= _ended()
        if asking in ready:
            request = asking.recv(LONGEST_MESSAGE_BYTES)
            open_ = bool(request)
            if not open_:
                _let_go_of_output()
            if request:
                shims += _fork(asking, woken, request.decode(), become_shim)


def _fork(asking: socket.socket, woken: int, execution_id: str, become_shim: Callable[[str], None]) -> int:
    """Make one shim and say which it is; the number of shims made."""
    try:
        pid = os.fork()
    except OSError as exc:
        _answer(asking, {"id": execution_id, "error": str(exc)})
        return 0
    if pid:
        # Nobody has taken note of its end yet, so the number is still its own.
        identity = identity_of(pid)
        _answer(asking, {"id": execution_id, **(asdict(identity) if identity else {"error": "it ended at once"})})
        return 1
    status = 1
    try:
        asking.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(woken)
        become_shim(execution_id)
        status = 0
    finally:
        if status:
            traceback.print_exc()
            sys.stderr.flush()
        # Nothing of the nursery is to be tidied up here, and threads may be left.
        os._exit(status)


def _let_go_of_output() -> None:
    """Whoever reads the server's output to its end must not wait for the shims, too."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)


def _answer(asking: socket.socket, answer: dict[str, object]) -> None:
    # Who asked may be gone by now.
    with suppress(BrokenPipeError, ConnectionResetError):
        asking.send(json.dumps(answer).encode())


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
