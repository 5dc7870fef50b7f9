"""New identifiers: random ones, as UUIDs of version 4."""

from __future__ import annotations

import os
from collections import deque
from uuid import UUID

_BYTES = 16
_AT_ONCE = 256

_ready: deque[bytes] = deque()
"""Randomness that nobody has used yet: to ask the system for each id costs a thread its turn, many times an id's own price."""

# A copy of this process must not give the same ids.
os.register_at_fork(after_in_child=_ready.clear)


def new_uuid() -> str:
    """For example ``2f0f1c3e-7f64-4a0e-8d25-9d5f5b1c2a11``."""
    try:
        random = _ready.pop()
    except IndexError:
        bytes_ = os.urandom(_BYTES * _AT_ONCE)
        _ready.extend(bytes_[start : start + _BYTES] for start in range(_BYTES, len(bytes_), _BYTES))
        random = bytes_[:_BYTES]
    return str(UUID(bytes=random, version=4))
