"""A process that a nursery forks to be a shim, and the words between the two."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from .identity import Identity, identity_of

LONGEST_MESSAGE_BYTES = 4096
BecomeShim = Callable[[Iterator[str]], None]
"""Runs the executions with these ids: to ask for the next is to say that the last one's end is on the disk."""


@dataclass(slots=True)
class Shim:
    """A forked process; `telling` is our end of what it is told its executions through, and says that one has ended."""

    identity: Identity
    telling: socket.socket
    execution_id: str = ""
    rests: bool = False
    again: bool = False
    waits_since: float = 0.0


def fork(let_go: Callable[[], None], become_shim: BecomeShim) -> Shim:
    """
    A child in which `let_go` and then `become_shim` are called, and that ends with them.

    Raises OSError when there can be none now.
    """
    told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with told:
        try:
            pid = os.fork()
        except OSError:
            telling.close()
            raise
        if not pid:
            telling.close()
            _be_a_shim(told, let_go, become_shim)
    # Nobody has taken note of its end yet, so the number is still its own.
    identity = identity_of(pid)
    assert identity is not None
    return Shim(identity, telling)


def _be_a_shim(told: socket.socket, let_go: Callable[[], None], become_shim: BecomeShim) -> None:
    status = 1
    try:
        let_go()
        become_shim(_executions(told))
        status = 0
    finally:
        if status:
            traceback.print_exc()
            sys.stderr.flush()
        # Nothing of the nursery is to be tidied up here, and threads may be left.
        os._exit(status)


def _executions(told: socket.socket) -> Iterator[str]:
    """The executions of this process, until there are no more for it."""
    with suppress(BrokenPipeError, ConnectionResetError):
        while execution_id := told.recv(LONGEST_MESSAGE_BYTES):
            yield execution_id.decode()
            told.send(b"ended")
