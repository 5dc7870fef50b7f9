"""Lets the memory of one chunk be used again for the next."""

from __future__ import annotations

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20


@cache
def reuse_buffers() -> None:
    """
    Keep freed chunks in the process instead of giving each back to the system.

    By default glibc maps every larger buffer anew: for each chunk that arrives the kernel then clears fresh pages, which costs
    more than reading them from the socket. Without effect where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
