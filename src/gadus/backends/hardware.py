"""The machine that Gadus runs on, as a node: what it has, and what of that the settings give to jobs."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gadus.config import Settings
from gadus.core.capacity import Amounts
from gadus.core.placement import Gpu, Node

from .allowed import allowed
from .cgroups import limit_bytes, quota_cores
from .gpus import gpus_here
from .naming import node_id

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NOT_IN_A_LABEL = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_LABEL = 63


def this_machine(settings: Settings, *, reclaimable_bytes: int = 0, gpus: Sequence[Gpu] | None = None) -> Node:
    """
    The node that this machine is, by `settings`.

    Asks the tools of the vendors for its GPUs, which takes some seconds at the worst, unless `gpus` are given.
    `reclaimable_bytes` of its disk are taken, but would be freed for a job: the cache.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    devices = gpus_here() if gpus is None else tuple(gpus)
    disk_bytes = shutil.disk_usage(settings.data_dir).free + reclaimable_bytes
    there = Amounts(cores(), memory_bytes(), disk_bytes, len(devices))
    given = settings.capacity.regardless_of(there) if settings.ignores_physical_limits else settings.capacity.of(there)
    policy = settings.policy
    return Node(
        id=node_id(settings),
        name=settings.name or platform.node() or "localhost",
        cpu_cores=given.cpu_cores,
        memory_bytes=given.memory_bytes,
        disk_bytes=given.disk_bytes,
        gpus=given.gpus,
        labels={**labels_of(devices[: given.gpus]), **settings.labels},
        per_job=settings.job_max.of(given),
        gpu_devices=devices[: given.gpus],
        engines=allowed("Engines", policy.engines, policy.not_engines),
        sources=allowed("InputSources", policy.sources, policy.not_sources),
        publishers=allowed("Publishers", policy.publishers, policy.not_publishers),
        accepts_network=not policy.rejects_networked,
        rejects_stateless=policy.rejects_stateless,
    )


def cores(root: Path = Path("/")) -> float:
    """The cores that this process may use: its affinity, and the quota of its control groups."""
    allowed = float(len(os.sched_getaffinity(0)))
    quota = quota_cores(root)
    return allowed if quota is None else min(allowed, quota)


def memory_bytes(root: Path = Path("/")) -> int:
    """The memory that this process may use: the machine's, and the limit of its control groups."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = limit_bytes(root)
    return there if limit is None else min(there, limit)


def labels_of(gpus: Sequence[Gpu]) -> Mapping[str, str]:
    """What every node says of itself without being told, in Bacalhau's words."""
    labels = {
        "Operating-System": platform.system().lower(),
        "Architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
    }
    # By position: the tools of two vendors both begin to count at 0.
    for number, gpu in enumerate(gpus):
        labels[f"GPU-{number}"] = _as_label(gpu.name)
        if gpu.memory_mib:
            labels[f"GPU-{number}-Memory"] = f"{gpu.memory_mib}-MiB"
    return labels


def _as_label(text: str) -> str:
    """`text` as a constraint can name it: its blanks, and whatever else no label may hold, become dashes."""
    return _NOT_IN_A_LABEL.sub("-", text)[:_LONGEST_LABEL].strip("-_.")
