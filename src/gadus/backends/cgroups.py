"""What the control groups of this process leave it of the machine, in both of their versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_SYSTEM = Path("/")
_NO_LIMIT_BYTES = 2**60
"""The first version says "no limit" with the largest number of pages, whatever that is on the machine."""


def quota_cores(root: Path = _SYSTEM) -> float | None:
    """How many cores' worth of time this process may use; None when that is not limited."""
    quotas = [*_quotas_v2(root), *_quotas_v1(root)]
    return min(quotas, default=None)


def limit_bytes(root: Path = _SYSTEM) -> int | None:
    """How much memory this process may use; None when that is not limited."""
    limits = [
        int(text)
        for directory, name in (
            *((directory, "memory.max") for directory in _directories(root, "")),
            *((directory, "memory.limit_in_bytes") for directory in _directories(root, "memory")),
        )
        if (text := _read(directory / name)).isdecimal()
    ]
    return min((limit for limit in limits if limit < _NO_LIMIT_BYTES), default=None)


def _quotas_v2(root: Path) -> Iterator[float]:
    for directory in _directories(root, ""):
        quota, _, period = _read(directory / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def _quotas_v1(root: Path) -> Iterator[float]:
    for directory in _directories(root, "cpu"):
        quota, period = _read(directory / "cpu.cfs_quota_us"), _read(directory / "cpu.cfs_period_us")
        # A quota of -1 is none.
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def _directories(root: Path, controller: str) -> Iterator[Path]:
    """
    The control group of this process for `controller` ("" for the second version), and all above it: each may limit it.

    Inside a container the path may be that of the host, which is not there: then the topmost one is the container's own.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controller not in controllers.split(","):
            continue
        mounted = root / "sys/fs/cgroup"
        for top in (mounted / controllers, mounted / controller) if controller else (mounted, mounted / "unified"):
            # A path that leads out of the namespace of the process is not to be followed.
            parts = [part for part in path.split("/") if part not in ("", "..")]
            yield from (top.joinpath(*parts[:length]) for length in range(len(parts), -1, -1))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
