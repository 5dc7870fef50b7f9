"""What is free on the disks of a server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .wire import Document


def free_space() -> Document:
    """What is free where programs work and where the system lives, in bytes."""
    return {"tmp": _space(Path(tempfile.gettempdir())), "root": _space(Path("/"))}


def _space(path: Path) -> Document:
    found = os.statvfs(path)
    everything, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    return {"All": everything, "Used": everything - found.f_bfree * found.f_frsize, "Free": free}
