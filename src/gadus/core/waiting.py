"""
The queue of executions that wait for room.

Who is next: the highest priority, then who waits longest; but nobody waits for ever. A priority of p is worth p times
ten minutes of waiting, and who could run on a node but finds it busy for longer than `PATIENCE_SECONDS` is overtaken there no
more: what becomes free is kept for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .capacity import Amounts
from .placement import Needs, Node, rank, reasons_against

PATIENCE_SECONDS = 30.0
PRIORITY_SECONDS = 600.0
_MOST_SHAPES_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One execution: what it needs, since when it waits (Unix seconds), and where alone it may run, if that is so."""

    job_id: str
    execution_id: str
    index: int
    needs: Needs
    priority: int
    since: float
    only_node: str = ""
    but_not: frozenset[str] = frozenset()

    @property
    def order(self) -> tuple[float, str]:
        """Who is smaller comes first."""
        return (self.since - self.priority * PRIORITY_SECONDS, self.execution_id)


_Shape = tuple[Needs, str, frozenset[str]]
"""Entries of one shape fit where any of them fits."""


@dataclass(slots=True)
class _Line:
    heap: list[tuple[tuple[float, str], Entry]] = field(default_factory=list)


class Waiting:
    """Entries by what they need: however many wait, only the first of each shape is looked at."""

    def __init__(self) -> None:
        self._lines: dict[_Shape, _Line] = {}
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, execution_id: str) -> bool:
        return execution_id in self._entries

    def add(self, entry: Entry) -> None:
        """It waits, unless it does already."""
        if entry.execution_id not in self._entries:
            self._entries[entry.execution_id] = entry
            line = self._lines.setdefault((entry.needs, entry.only_node, entry.but_not), _Line())
            heapq.heappush(line.heap, (entry.order, entry))

    def remove(self, execution_id: str) -> None:
        """It waits no longer."""
        self._entries.pop(execution_id, None)

    def next(
        self,
        nodes: Sequence[Node],
        free: Mapping[str, Amounts],
        already: Callable[[str], Mapping[str, int]],
        now: float,
    ) -> tuple[Entry, str] | None:
        """
        Who is to be placed, and on which node; None when nobody fits now.

        `free` is what is left on each node, `already` gives how many executions of a job live on each.
        """
        kept_free: set[str] = set()
        for entry in self._firsts():
            able = [node for node in nodes if _may_run(node, entry)]
            open_ = [node for node in able if node.id not in kept_free]
            ranked = rank(open_, free, entry.needs, already=already(entry.job_id))
            if ranked:
                return entry, ranked[0].node.id
            if able and now - entry.since > PATIENCE_SECONDS:
                kept_free |= {node.id for node in able}
                if len(kept_free) == len(nodes):
                    return None
        return None

    def _firsts(self) -> Iterator[Entry]:
        """The first of each shape, in the order in which they are to be placed."""
        firsts = []
        for shape, line in list(self._lines.items()):
            while line.heap and self._entries.get(line.heap[0][1].execution_id) is not line.heap[0][1]:
                heapq.heappop(line.heap)
            if line.heap:
                firsts.append(line.heap[0])
            else:
                del self._lines[shape]
        for _, entry in heapq.nsmallest(_MOST_SHAPES_LOOKED_AT, firsts, key=lambda first: first[0]):
            yield entry


def _may_run(node: Node, entry: Entry) -> bool:
    """Whether the node could run it when it is idle."""
    if (entry.only_node and entry.only_node != node.id) or node.id in entry.but_not:
        return False
    return not reasons_against(node, entry.needs)
