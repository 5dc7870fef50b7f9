"""Nodes and versions as the REST API shows them."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping

from gadus import __version__, plugins
from gadus.backends.naming import node_id
from gadus.config import Settings
from gadus.core.capacity import Amounts
from gadus.core.placement import Gpu, Node

from .wire import Document, rfc3339

_PUBLISHERS = ("local",)
_NEVER = "0001-01-01T00:00:00Z"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def version_document() -> Document:
    """The version of this program, in the form of Bacalhau's build information."""
    major, minor = __version__.split(".")[:2]
    return {
        "Major": major,
        "Minor": minor,
        "GitVersion": f"v{__version__}",
        "GitCommit": "",
        "BuildDate": _NEVER,
        "GOOS": platform.system().lower(),
        "GOARCH": _ARCHITECTURES.get(platform.machine(), platform.machine()),
    }


def node_document(node: Node, free: Amounts, running: int, waiting: int, *, since: float) -> Document:
    """One node, with what is free on it, how many executions it runs and keeps waiting, and since when it is there."""
    connection = {
        "Status": "CONNECTED",
        "LastHeartbeat": rfc3339(time.time()),
        "ConnectedSince": rfc3339(since),
        "DisconnectedSince": _NEVER,
    }
    info = info_document(node, free, running, waiting)
    return {"Info": info, "Membership": "APPROVED", "Connection": "CONNECTED", "ConnectionState": connection}


def requester_document(settings: Settings) -> Document:
    """A server that keeps jobs and runs none of them, as the node that it is."""
    info = {"NodeID": node_id(settings), "NodeType": "Requester", "Labels": {}, "BacalhauVersion": version_document()}
    return {"Info": info, "Membership": "APPROVED", "Connection": "CONNECTED"}


def info_document(node: Node, free: Amounts, running: int, waiting: int) -> Document:
    """What a node is and has."""
    return {
        "NodeID": node.id,
        "NodeType": "Compute",
        "Labels": dict(node.labels),
        "SupportedProtocols": [],
        "ComputeNodeInfo": {
            "ExecutionEngines": sorted(plugins.names("engines") if node.engines is None else node.engines),
            "Publishers": sorted(_PUBLISHERS if node.publishers is None else node.publishers),
            "StorageSources": sorted(plugins.names("storage") if node.sources is None else node.sources),
            "MaxCapacity": _resources(node.total, node.gpu_devices),
            "QueueCapacity": {},
            "AvailableCapacity": _resources(free),
            "MaxJobRequirements": _resources(node.per_job or node.total),
            "RunningExecutions": running,
            "EnqueuedExecutions": waiting,
        },
        "BacalhauVersion": version_document(),
    }


def availability(document: Document) -> Mapping[str, float]:
    """The free amounts of a node's document, by their names on the wire."""
    amounts: Mapping[str, float] = document["Info"]["ComputeNodeInfo"]["AvailableCapacity"]
    return amounts


def _resources(amounts: Amounts, devices: tuple[Gpu, ...] = ()) -> Document:
    told = {
        "CPU": amounts.cpu_cores,
        "Memory": amounts.memory_bytes,
        "Disk": amounts.disk_bytes,
        "GPU": amounts.gpus,
        "GPUs": [
            {
                "Index": gpu.index,
                "Name": gpu.name,
                "Vendor": gpu.vendor,
                "Memory": gpu.memory_mib,
                "PCIAddress": gpu.pci_address,
            }
            for gpu in devices
        ],
    }
    return {name: amount for name, amount in told.items() if amount}
