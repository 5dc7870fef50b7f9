"""Which node may run an execution, which does best, and why the others do not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .capacity import Amounts
from .nodes import Gpu, Needs, Node, needs_of
from .spec import Constraint, JobSpec

__all__ = [
    "PREFERENCE",
    "Gpu",
    "Needs",
    "Node",
    "Ranked",
    "needs_of",
    "rank",
    "ranked",
    "reasons_against",
    "shortage",
    "unmet",
]

PREFERENCE = "favour_"
"""A constraint on a key with this prefix is a wish: it never rules a node out."""
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_GENERATED_ID = re.compile(r"n-[0-9a-f]{8}-[0-9a-f-]+")
_SHORT_ID = 10


@dataclass(frozen=True, slots=True)
class Ranked:
    """A node that has room, and how well it suits: more is better, the first number counts most."""

    node: Node
    rank: tuple[float, ...]


def reasons_against(node: Node, asked: JobSpec | Needs) -> tuple[str, ...]:
    """Every reason why `node` can never run what is asked; empty when it can, given room."""
    needs = asked if isinstance(asked, Needs) else needs_of(asked, Amounts())
    return (
        *unmet(node.labels, needs.constraints),
        *_unsupported((needs.engine,), node.engines),
        *_unsupported(needs.sources, node.sources),
        *_unsupported((needs.publisher,) if needs.publisher else (), node.publishers),
        *(("does not run jobs that require network access",) if needs.network and not node.accepts_network else ()),
        *(("does not run jobs without inputs",) if needs.stateless and node.rejects_stateless else ()),
        *needs.amounts.lacking(node.most_for_one),
    )


def rank(
    nodes: Iterable[Node],
    free: Mapping[str, Amounts],
    needs: Needs,
    *,
    already: Mapping[str, int],
    cached_bytes: Mapping[str, int] | None = None,
) -> list[Ranked]:
    """
    The nodes that can run it now, the best first. What is `free`, how many executions of the same job live `already`
    and how many bytes of its inputs are cached is by the id of the node.
    """
    able = (node for node in nodes if not reasons_against(node, needs))
    return ranked(able, free, needs, already=already, cached_bytes=cached_bytes or {})


def ranked(
    able: Iterable[Node],
    free: Mapping[str, Amounts],
    needs: Needs,
    *,
    already: Mapping[str, int],
    cached_bytes: Mapping[str, int],
) -> list[Ranked]:
    """
    As `rank`, for nodes that nothing is known against.

    Fewest executions of the same job before anything else; then wishes met, bytes that are there already, and room. Equal
    nodes are in the order of their ids.
    """
    nothing = Amounts()
    with_room = [
        Ranked(
            node,
            (
                -already.get(node.id, 0),
                _wishes_met(node, needs),
                cached_bytes.get(node.id, 0),
                _share_free(node, free[node.id]),
            ),
        )
        for node in able
        if needs.amounts.fits_in(free.get(node.id, nothing)) and node.id in free
    ]
    return sorted(with_room, key=lambda one: (*(-part for part in one.rank), one.node.id))


def shortage(
    nodes: Sequence[Node],
    free: Mapping[str, Amounts],
    needs: Needs,
    requested: int,
    *,
    refused: Mapping[str, str] | None = None,
    otherwise: str = "",
) -> str:
    """
    Why fewer executions than requested have a place: every node with its reasons, in Bacalhau's words.

    `refused` are the reasons of nodes whose own policy is against it, by id; `otherwise` is the reason of a node that could
    run it now and still does not, if there is one.
    """
    refused = refused or {}
    against = {node.id: _reasons_now(node, free, needs, refused.get(node.id, "")) or _some(otherwise) for node in nodes}
    suitable = sum(not reasons for reasons in against.values())
    lines = [
        f"not enough nodes to run job. requested: {requested}, available: {len(nodes)}, suitable: {suitable}.",
        *_told(against),
    ]
    return "\n".join(lines)


def unmet(labels: Mapping[str, str], constraints: Sequence[Constraint]) -> list[str]:
    """Why `labels` do not meet `constraints`, one reason each; empty when they do."""
    return [
        f"constraint {constraint.key} {constraint.operator} {' '.join(constraint.values)}".rstrip()
        + f" is not met: the label is {labels.get(constraint.key, 'absent')!r}"
        for constraint in constraints
        if not constraint.key.startswith(PREFERENCE) and not _holds(labels.get(constraint.key), constraint)
    ]


def _some(reason: str) -> tuple[str, ...]:
    return (reason,) if reason else ()


def _reasons_now(node: Node, free: Mapping[str, Amounts], needs: Needs, refused: str) -> tuple[str, ...]:
    """The reasons that never change, then why it was refused or, when there are none of these, what it waits for."""
    reasons = (*reasons_against(node, needs), *_some(refused))
    left = free.get(node.id, node.total)
    if reasons or needs.amounts.fits_in(left):
        return reasons
    return (f"node busy: {needs.amounts.waits_for(left)}",)


def _told(against: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A line for each node; one for all of those with the same reasons, when there are several."""
    alike = Counter(against.values())
    first_with: dict[tuple[str, ...], str] = {}
    for node_id, reasons in against.items():
        if reasons:
            first_with.setdefault(reasons, node_id)
    return [f"• {_who(node_id, alike[reasons], len(against))}: {'; '.join(reasons)}" for reasons, node_id in first_with.items()]


def _who(node_id: str, alike: int, nodes: int) -> str:
    return f"Node {_short(node_id)}" if alike == 1 else f"{alike} of {nodes} nodes"


def _short(node_id: str) -> str:
    # The name of a machine says little when it is cut; a generated id says as much.
    return node_id[:_SHORT_ID] if _GENERATED_ID.fullmatch(node_id) else node_id


def _unsupported(asked: Sequence[str], allowed: frozenset[str] | None) -> list[str]:
    if allowed is None:
        return []
    return [f"does not support {name}, only {', '.join(sorted(allowed)) or 'none'}" for name in asked if name not in allowed]


def _share_free(node: Node, free: Amounts) -> float:
    """How much of the node is free, 0 to 1, cores and memory counting the same."""
    return (free.cpu_cores / max(node.cpu_cores, 1e-9) + free.memory_bytes / max(node.memory_bytes, 1)) / 2


def _wishes_met(node: Node, needs: Needs) -> int:
    return sum(
        constraint.key.startswith(PREFERENCE) and _holds(node.labels.get(constraint.key.removeprefix(PREFERENCE)), constraint)
        for constraint in needs.constraints
    )


def _holds(value: str | None, constraint: Constraint) -> bool:
    match constraint.operator:
        case "=" | "==" | "in":
            return value in constraint.values
        case "!=" | "notin":
            return value not in constraint.values
        case "exists":
            return value is not None
        case "!":
            return value is None
        case "gt" | "lt":
            return _compares(value, constraint)


def _compares(value: str | None, constraint: Constraint) -> bool:
    if value is None or not _WHOLE.fullmatch(value):
        return False
    limit = int(constraint.values[0])
    return int(value) > limit if constraint.operator == "gt" else int(value) < limit
