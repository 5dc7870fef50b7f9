"""This machine as a node."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from gadus.core.placement import Node

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def this_machine(data_dir: Path) -> Node:
    """What the machine has, and what is free of the disk that `data_dir` is on."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Node(
        id=platform.node() or "localhost",
        cpu_cores=float(os.cpu_count() or 1),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_bytes=shutil.disk_usage(data_dir).free,
        labels={
            "Operating-System": platform.system().lower(),
            "Architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        },
    )
