"""Which process this is, in a way that no later process can be mistaken for it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TIME_FIELD = 19
"""Of /proc/<pid>/stat, counted from 0 after the name of the program."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its number, when it started in ticks since the boot, and which boot that was."""

    pid: int
    start_ticks: int
    boot_id: str


def identity_of(pid: int) -> Identity | None:
    """Who has this number now, also when it has ended and nobody took note of that yet; None when nobody has it."""
    start_ticks = _start_ticks(pid)
    return None if start_ticks is None else Identity(pid, start_ticks, _BOOT_ID.read_text().strip())


def opened(process: Identity) -> int | None:
    """A descriptor of the process, which stays its own however numbers are given out later; None when it has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Asked after opening: whoever has the number now is whom the descriptor means.
    if identity_of(process.pid) == process:
        return descriptor
    os.close(descriptor)
    return None


def signal_to(process: Identity, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; whether it was there to get it."""
    descriptor = opened(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _start_ticks(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name before it may hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return int(fields[_START_TIME_FIELD])
