"""Holds a process to a share of one core, with no right that its owner does not have: it is paused whenever it is ahead."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PERIOD_SECONDS = 0.1
FREE_SECONDS = 0.5
"""So much of a core everybody has at the start: the interpreter of the process needs some of it."""

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12  # counted after the name, see proc_pid_stat(5)


async def pace(process_id: int, process: int, cpu_cores: float) -> None:
    """
    Over any long time the process, of which `process` is a descriptor, has no more than `cpu_cores`; returns when it is gone.

    Never returns while it lives, so cancel it; the process then goes on unhindered.
    """
    began = time.monotonic()
    try:
        while (used_seconds := _used_seconds(process_id)) is not None:
            ahead_seconds = (used_seconds - FREE_SECONDS) / cpu_cores - (time.monotonic() - began)
            _send(process, signal.SIGSTOP if ahead_seconds > 0 else signal.SIGCONT)
            await asyncio.sleep(max(PERIOD_SECONDS, ahead_seconds))
    finally:
        _send(process, signal.SIGCONT)


def _send(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, number)


def _used_seconds(process_id: int) -> float | None:
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) * _TICK_SECONDS
