"""
The queue of executions that wait for room.

Who is next: the highest priority, then who waits longest; but nobody waits for ever. A priority of p is worth p times
ten minutes of waiting, and who could run on a node but finds it busy for longer than `PATIENCE_SECONDS` is overtaken there no
more: what becomes free is kept for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from .capacity import Amounts
from .placement import Needs, Node, ranked, reasons_against

PATIENCE_SECONDS = 30.0
PRIORITY_SECONDS = 600.0
MOST_SHAPES_LOOKED_AT = 4096
"""So many in one call: some milliseconds. Who comes later than that waits until one of those before is placed."""
_HIGHEST_PRIORITY = 10**6
"""Worth 19 years of waiting; beyond it a float could not tell seconds apart."""
_STALE_BORNE = 64
"""So many entries that are gone may stay in a heap, besides as many as wait."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One execution: what it needs, since when it waits (Unix seconds), and where alone it may run, if that is so.

    `but_not` are the nodes that refused it.
    """

    job_id: str
    execution_id: str
    index: int
    needs: Needs
    priority: int
    since: float
    only_node: str = ""
    but_not: frozenset[str] = frozenset()

    @property
    def worth(self) -> float:
        """Who has less comes first. It never changes, so that waiting wins in the end."""
        priority = max(-_HIGHEST_PRIORITY, min(self.priority, _HIGHEST_PRIORITY))
        return self.since - priority * PRIORITY_SECONDS


_Place = tuple[float, int, int]
"""Where an entry stands: its worth; then its index; then who was added first."""


@dataclass(slots=True, eq=False)
class _Line:
    """
    Entries of one shape: they fit where any of them fits, so that only the first is ever looked at.

    Entries that wait no longer stay in the heap until they come to its top, or are too many.
    """

    needs: Needs
    heap: list[tuple[_Place, Entry]] = field(default_factory=list)
    waiting: int = 0
    able: Sequence[Node] | None = None
    """The nodes that could run it when they are idle; None when that is to be found out."""


class Waiting:
    """Entries by what they need: however many wait, a call looks at shapes, not at entries."""

    def __init__(self) -> None:
        self._lines: dict[tuple[Needs, str, frozenset[str]], _Line] = {}
        self._entries: dict[str, tuple[_Place, Entry, _Line]] = {}
        self._of_job: dict[str, set[str]] = {}
        self._firsts: list[tuple[_Place, _Line]] = []
        self._nodes: list[Node] = []
        self._serial = count()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, execution_id: str) -> bool:
        return execution_id in self._entries

    def add(self, entry: Entry) -> None:
        """It waits, unless it does already."""
        if entry.execution_id in self._entries:
            return
        shape = (entry.needs, entry.only_node, entry.but_not)
        line = self._lines.get(shape)
        if line is None:
            line = self._lines[shape] = _Line(entry.needs)
        if entry.needs is not line.needs:
            # A hundred thousand entries keep one copy of what they all need.
            entry = replace(entry, needs=line.needs)
        place = (entry.worth, entry.index, next(self._serial))
        heapq.heappush(line.heap, (place, entry))
        line.waiting += 1
        self._entries[entry.execution_id] = (place, entry, line)
        self._of_job.setdefault(entry.job_id, set()).add(entry.execution_id)
        if line.heap[0][0] == place:
            heapq.heappush(self._firsts, (place, line))

    def remove(self, execution_id: str) -> None:
        """It waits no longer."""
        found = self._entries.pop(execution_id, None)
        if found is None:
            return
        _, entry, line = found
        siblings = self._of_job[entry.job_id]
        siblings.discard(execution_id)
        if not siblings:
            del self._of_job[entry.job_id]
        line.waiting -= 1
        self._tidy(entry, line)

    def remove_job(self, job_id: str) -> None:
        """None of its executions wait any longer."""
        for execution_id in tuple(self._of_job.get(job_id, ())):
            self.remove(execution_id)

    def next(
        self,
        nodes: Sequence[Node],
        free: Mapping[str, Amounts],
        already: Callable[[str], Mapping[str, int]],
        now: float,
        cached_bytes: Callable[[str], Mapping[str, int]] | None = None,
    ) -> tuple[Entry, str] | None:
        """
        Who is to be placed, and on which node; None when nobody fits now. Who is placed is to be removed by the caller.

        `free` is what is left on each node; `already` gives how many executions of a job live on each, and `cached_bytes` how
        much of its inputs is there.
        """
        self._know(nodes)
        looked_at: list[tuple[_Place, _Line]] = []
        kept: set[str] = set()
        most_free = _most(free)
        try:
            while self._firsts and len(looked_at) < MOST_SHAPES_LOOKED_AT and len(kept) < len(nodes):
                first = heapq.heappop(self._firsts)
                entry = self._first_of(*first)
                if entry is None or (looked_at and looked_at[-1] == first):
                    continue
                able = self._able(first[1], entry)
                if not able:
                    # It waits for other nodes, see `_know`, and must take nobody's turn.
                    continue
                looked_at.append(first)
                if entry.needs.amounts.fits_in(most_free):
                    open_ = (node for node in able if node.id not in kept)
                    there = cached_bytes(entry.job_id) if cached_bytes else {}
                    if best := ranked(open_, free, entry.needs, already=already(entry.job_id), cached_bytes=there):
                        return entry, best[0].node.id
                if now - entry.since > PATIENCE_SECONDS:
                    kept.update(node.id for node in able)
            return None
        finally:
            for first in looked_at:
                heapq.heappush(self._firsts, first)

    def _know(self, nodes: Sequence[Node]) -> None:
        """Forget who can run where, when these are other nodes than before."""
        known = list(nodes)
        if known != self._nodes:
            self._nodes = known
            for line in self._lines.values():
                line.able = None
        # Places that nobody stands at any more are left behind.
        elif len(self._firsts) <= 2 * len(self._lines) + _STALE_BORNE:
            return
        self._firsts = [(line.heap[0][0], line) for line in self._lines.values()]
        heapq.heapify(self._firsts)

    def _first_of(self, place: _Place, line: _Line) -> Entry | None:
        """The entry that stands at `place`, if it is still the first of its line."""
        if not line.heap or line.heap[0][0] != place:
            return None
        return line.heap[0][1]

    def _able(self, line: _Line, entry: Entry) -> Sequence[Node]:
        if line.able is None:
            line.able = [node for node in self._nodes if _may_run(node, entry)]
        return line.able

    def _tidy(self, removed: Entry, line: _Line) -> None:
        """Let an entry that waits be the first of its line, and forget a line where nobody waits."""
        if not line.waiting:
            line.heap.clear()
            del self._lines[removed.needs, removed.only_node, removed.but_not]
            return
        was = line.heap[0][0]
        if len(line.heap) > 2 * line.waiting + _STALE_BORNE:
            line.heap = [(place, entry) for place, entry in line.heap if self._waits(place, entry)]
            heapq.heapify(line.heap)
        while not self._waits(*line.heap[0]):
            heapq.heappop(line.heap)
        if line.heap[0][0] != was:
            heapq.heappush(self._firsts, (line.heap[0][0], line))

    def _waits(self, place: _Place, entry: Entry) -> bool:
        found = self._entries.get(entry.execution_id)
        return found is not None and found[0] == place


def _may_run(node: Node, entry: Entry) -> bool:
    """Whether the node could run it when it is idle."""
    if (entry.only_node and entry.only_node != node.id) or node.id in entry.but_not:
        return False
    return not reasons_against(node, entry.needs)


def _most(free: Mapping[str, Amounts]) -> Amounts:
    """What no node has more of: who does not fit this fits nowhere."""
    most = Amounts()
    for amounts in free.values():
        most = most.at_least(amounts)
    return most
