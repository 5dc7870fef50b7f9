"""Identifiers, as UUIDs: random ones of version 4, and of version 5 those that follow from a text."""

from __future__ import annotations

import os
from collections import deque
from hashlib import sha1
from uuid import NAMESPACE_URL

_VARIANTS = "89ab"
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
    return _written(random.hex(), 4)


def uuid_of(text: str) -> str:
    """Always the same for the same text, as ``uuid5`` of the namespace of URLs gives it."""
    # What it is made of is no secret: the hash is only to spread.
    return _written(sha1(NAMESPACE_URL.bytes + text.encode(), usedforsecurity=False).hexdigest(), 5)


def _written(digits: str, version: int) -> str:
    """At least 32 hex digits as a UUID. The class for it takes several times as long, and each job needs some of these."""
    variant = _VARIANTS[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
