"""What a container is given of this machine: so much of it, these directories, this network and devices, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gadus.contracts import Program
from gadus.core.errors import ProgramUnusable
from gadus.core.placement import Gpu
from gadus.core.spec import NetworkType

NEEDLESS_CAPABILITIES = ("AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT")
AMD_COMPUTE = Path("/dev/kfd")
RENDERERS = Path("/dev/dri")


def host_config(program: Program) -> dict[str, Any]:
    """The body of HostConfig in Docker's create call. Raises ProgramUnusable for a device that cannot be given."""
    return _limits(program) | _mounts(program) | _network(program.network) | gpu_config(program.gpus)


def gpu_config(gpus: Sequence[Gpu], *, renderers: Path = RENDERERS) -> dict[str, Any]:
    """NVIDIA's driver gives its devices by their numbers; of the others the device files are given, as in Bacalhau."""
    nvidia = [str(gpu.index) for gpu in gpus if _is_of(gpu, "nvidia")]
    amd = [gpu for gpu in gpus if _is_of(gpu, "amd")]
    intel = [gpu for gpu in gpus if _is_of(gpu, "intel")]
    if strange := [gpu for gpu in gpus if not _is_of(gpu, "nvidia", "amd", "intel")]:
        raise ProgramUnusable(
            f"GPU {strange[0].index} ({strange[0].name}) is of {strange[0].vendor or 'an unknown vendor'}",
            hint="NVIDIA, AMD and Intel GPUs can be given to a container; run the job on a node that has one",
        )
    # A dictionary, since two devices may have a file in common.
    files = dict.fromkeys(
        [*([AMD_COMPUTE] if amd else []), *(file for gpu in amd + intel for file in _files_of(gpu, renderers))]
    )
    config: dict[str, Any] = {}
    if nvidia:
        config["DeviceRequests"] = [{"Driver": "nvidia", "DeviceIDs": nvidia, "Capabilities": [["gpu"]]}]
    if files:
        config["Devices"] = [
            {"PathOnHost": str(file), "PathInContainer": str(file), "CgroupPermissions": "rwm"} for file in files
        ]
    return config


def _is_of(gpu: Gpu, *vendors: str) -> bool:
    return gpu.vendor.lower().startswith(vendors)


def _files_of(gpu: Gpu, renderers: Path) -> list[Path]:
    """The device files of this GPU alone; of all if its own cannot be told apart."""
    if gpu.pci_address:
        links = [renderers / "by-path" / f"pci-{gpu.pci_address.lower()}-{role}" for role in ("card", "render")]
        # Programs look for the files, not for the links to them.
        if own := [link.resolve() for link in links if link.exists()]:
            return own
    return [renderers]


def _limits(program: Program) -> dict[str, Any]:
    return {
        "Memory": program.memory_bytes,
        "MemorySwap": program.memory_bytes,
        "NanoCpus": round(program.cpu_cores * 1e9),
        "PidsLimit": program.most_processes,
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": list(NEEDLESS_CAPABILITIES),
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        # The output is ours already: a copy by the engine could fill its disk.
        "LogConfig": {"Type": "none", "Config": {}},
    }


def _mounts(program: Program) -> dict[str, Any]:
    return {
        "Mounts": [
            {"Type": "bind", "Source": str(mount.source), "Target": mount.target, "ReadOnly": not mount.writable}
            for mount in program.mounts
        ]
    }


def _network(network: NetworkType) -> dict[str, Any]:
    if network is NetworkType.FULL:
        return {"NetworkMode": "host", "ExtraHosts": ["host.docker.internal:host-gateway"]}
    return {"NetworkMode": "bridge" if network is NetworkType.BRIDGE else "none"}
