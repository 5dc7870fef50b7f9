"""What executions hold of each node, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gadus.core.capacity import Amounts
from gadus.core.nodes import Node


class Taken(NamedTuple):
    """What an execution holds of a node: of its GPUs these, by number."""

    node_id: str
    amounts: Amounts
    gpus: tuple[int, ...] = ()


class Room:
    """Kept as a sum for each node, because it is asked for at every placement."""

    def __init__(self) -> None:
        self._taken: dict[str, Taken] = {}
        self._sums: dict[str, Amounts] = {}

    def take(self, execution_id: str, taken: Taken) -> None:
        """From now on it holds this, unless it holds something already."""
        if execution_id not in self._taken:
            self._taken[execution_id] = taken
            self._sums[taken.node_id] = self._sums.get(taken.node_id, Amounts()) + taken.amounts

    def release(self, execution_id: str) -> bool:
        """It holds nothing; whether it did."""
        taken = self._taken.pop(execution_id, None)
        if taken is not None:
            self._sums[taken.node_id] -= taken.amounts
        return taken is not None

    def free(self, nodes: Sequence[Node]) -> Mapping[str, Amounts]:
        """What is left on each node."""
        return {node.id: node.total - self._sums.get(node.id, Amounts()) for node in nodes}

    def free_gpus(self, node: Node) -> tuple[int, ...]:
        """The numbers of the node's devices that nobody has."""
        if not node.gpu_devices:
            return ()
        held = {number for taken in self._taken.values() if taken.node_id == node.id for number in taken.gpus}
        return tuple(device.index for device in node.gpu_devices if device.index not in held)

    def gpus_of(self, execution_id: str) -> tuple[int, ...]:
        """The devices that it holds."""
        return self._taken[execution_id].gpus

    def holders(self) -> Counter[str]:
        """How many executions hold room on each node."""
        return Counter(taken.node_id for taken in self._taken.values())
