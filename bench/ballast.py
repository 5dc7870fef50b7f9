"""
Keeps this machine's memory at hand while it is the room of a benchmark: ``python -m bench.ballast BYTES``.

A virtual machine gives memory that is free back to its host within seconds, in pieces of 2 MiB, and gets it again page by
page: writing into fresh memory then takes several times as long as into memory that it has, and whoever is measured first
pays for it. So as much memory as the benchmark needs is taken once, and all of it freed again but for one page in each MiB:
what is left free is in pieces too small to be given back. Prints "ready" and stays until its standard input ends.
"""

from __future__ import annotations

import mmap
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_PIECE_BYTES = 1 << 20


@contextmanager
def memory_at_hand(size_bytes: int) -> Iterator[None]:
    """So much memory stays with this machine as long as the block lasts, and is free to be used."""
    command = [sys.executable, "-m", "bench.ballast", str(size_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout and process.stdin:
            process.stdout.readline()
            yield
            process.stdin.close()


def _hold(size_bytes: int) -> None:
    with mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        np.frombuffer(memory, dtype=np.uint8)[:: mmap.PAGESIZE] = 1
        for start in range(0, size_bytes, _PIECE_BYTES):
            rest = min(_PIECE_BYTES, size_bytes - start) - mmap.PAGESIZE
            memory.madvise(mmap.MADV_DONTNEED, start + mmap.PAGESIZE, rest)
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _hold(int(sys.argv[1]))
