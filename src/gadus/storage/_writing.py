"""Bytes into the file of a slot."""

from __future__ import annotations

import os

from gadus.contracts import Slot


def write_at(slot: Slot, offset: int, data: bytes | memoryview) -> None:
    """All of `data` at `offset`; blocks. Raises OSError of the local disk."""
    view = memoryview(data)
    written = 0
    while written < len(view):
        written += os.pwrite(slot.handle, view[written:], offset + written)
    slot.wrote(offset, offset + len(view))
