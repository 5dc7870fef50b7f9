"""Which node may run an execution, which does best, and why the others do not."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from .capacity import Amounts
from .spec import Constraint, JobSpec, NetworkType

_WHOLE = re.compile(r"-?[0-9]{1,18}")
PREFERENCE = "favour_"
"""A constraint on a key with this prefix is a wish: it never rules a node out."""
_SHORT_ID = 10


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device, as the vendor's own tool describes it."""

    index: int
    name: str
    vendor: str
    memory_mib: int = 0
    pci_address: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """
    A machine that can run executions. Amounts are what it has at all, not what is free now.

    `per_job` is the most that one execution may ask for; None when that is all. `engines`, `sources` and `publishers` are the
    names that it allows; None when that is every one.
    """

    id: str
    cpu_cores: float
    memory_bytes: int
    disk_bytes: int
    gpus: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    per_job: Amounts | None = None
    gpu_devices: tuple[Gpu, ...] = ()
    engines: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    publishers: frozenset[str] | None = None
    accepts_network: bool = True
    rejects_stateless: bool = False

    @property
    def total(self) -> Amounts:
        """All it has."""
        return Amounts(self.cpu_cores, self.memory_bytes, self.disk_bytes, self.gpus)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one execution asks of a node."""

    amounts: Amounts
    engine: str
    sources: tuple[str, ...] = ()
    publisher: str = ""
    network: bool = False
    stateless: bool = True
    constraints: tuple[Constraint, ...] = ()

    def to_json(self) -> str:
        """The same needs always give the same text."""
        return json.dumps(
            {
                "amounts": asdict(self.amounts),
                "engine": self.engine,
                "sources": self.sources,
                "publisher": self.publisher,
                "network": self.network,
                "stateless": self.stateless,
                "constraints": [one.model_dump(by_alias=True) for one in self.constraints],
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> Needs:
        """What `to_json` was made of."""
        told = json.loads(text)
        return cls(
            amounts=Amounts(**told["amounts"]),
            engine=told["engine"],
            sources=tuple(told["sources"]),
            publisher=told["publisher"],
            network=told["network"],
            stateless=told["stateless"],
            constraints=tuple(Constraint.model_validate(one) for one in told["constraints"]),
        )

    def with_defaults(self, defaults: Amounts) -> Needs:
        """The same, with `defaults` for what is not asked for."""
        own = self.amounts
        amounts = Amounts(
            own.cpu_cores or defaults.cpu_cores,
            own.memory_bytes or defaults.memory_bytes,
            own.disk_bytes or defaults.disk_bytes,
            own.gpus or defaults.gpus,
        )
        return Needs(amounts, self.engine, self.sources, self.publisher, self.network, self.stateless, self.constraints)


def needs_of(spec: JobSpec, defaults: Amounts) -> Needs:
    """What an execution of `spec` asks for; `defaults` where it does not say."""
    task = spec.task
    asked = task.resources
    return Needs(
        amounts=Amounts(asked.cpu_cores, asked.memory_bytes, asked.disk_bytes, asked.gpus),
        engine=task.engine.name,
        sources=tuple(sorted({one.source.name for one in task.input_sources})),
        publisher=task.publisher.name,
        network=task.network.type is not NetworkType.NONE,
        stateless=not task.input_sources,
        constraints=spec.constraints,
    ).with_defaults(defaults)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A node that has room, and how well it suits: more is better."""

    node: Node
    rank: tuple[float, ...]


def reasons_against(node: Node, asked: JobSpec | Needs) -> tuple[str, ...]:
    """Every reason why `node` can never run what is asked; empty when it can."""
    needs = needs_of(asked, Amounts()) if isinstance(asked, JobSpec) else asked
    return (
        *unmet(node.labels, needs.constraints),
        *_unsupported("engine", (needs.engine,), node.engines),
        *_unsupported("source", needs.sources, node.sources),
        *_unsupported("publisher", (needs.publisher,) if needs.publisher else (), node.publishers),
        *(("this node does not run jobs that require network access",) if needs.network and not node.accepts_network else ()),
        *(("this node does not run jobs without inputs",) if needs.stateless and node.rejects_stateless else ()),
        *needs.amounts.lacking(node.total if node.per_job is None else node.per_job),
    )


def rank(
    nodes: Sequence[Node],
    free: Mapping[str, Amounts],
    needs: Needs,
    *,
    already: Mapping[str, int],
    cached_bytes: Mapping[str, int] | None = None,
) -> list[Ranked]:
    """
    The nodes that can run it now, the best first.

    Fewest executions of the same job before anything else; then wishes met, bytes that are there already, and room.
    """
    ranked = [
        Ranked(
            node,
            (
                -already.get(node.id, 0),
                _wishes_met(node, needs),
                (cached_bytes or {}).get(node.id, 0),
                free[node.id].cpu_cores / max(node.cpu_cores, 1e-9),
            ),
        )
        for node in nodes
        if node.id in free and needs.amounts.fits_in(free[node.id]) and not reasons_against(node, needs)
    ]
    return sorted(ranked, key=lambda one: (tuple(-part for part in one.rank), one.node.id))


def shortage(nodes: Sequence[Node], free: Mapping[str, Amounts], needs: Needs, requested: int) -> str:
    """Why fewer executions than requested have a place: every node with its reasons, in Bacalhau's words."""
    against = {node.id: _reasons_now(node, free, needs) for node in nodes}
    suitable = sum(not reasons for reasons in against.values())
    lines = [
        f"not enough nodes to run job. requested: {requested}, available: {len(nodes)}, suitable: {suitable}.",
        *_told(against),
    ]
    return "\n".join(lines)


def _reasons_now(node: Node, free: Mapping[str, Amounts], needs: Needs) -> tuple[str, ...]:
    reasons = reasons_against(node, needs)
    left = free.get(node.id, node.total)
    if reasons or needs.amounts.fits_in(left):
        return reasons
    return (f"node busy: {_compared(needs.amounts, left)}",)


def _compared(asked: Amounts, left: Amounts) -> str:
    return "; ".join(
        reason.replace("job requires more ", "needs ").replace("than the maximum available", "free")
        for reason in asked.lacking(left)
    )


def _told(against: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A line for each node; one for all of those with the same reasons, when there are several."""
    alike = Counter(against.values())
    lines: dict[tuple[str, ...], str] = {}
    for node_id, reasons in against.items():
        if reasons and reasons not in lines:
            who = f"Node {node_id[:_SHORT_ID]}" if alike[reasons] == 1 else f"{alike[reasons]} of {len(against)} nodes"
            lines[reasons] = f"• {who}: {'; '.join(reasons)}"
    return list(lines.values())


def _unsupported(what: str, asked: Sequence[str], allowed: frozenset[str] | None) -> list[str]:
    if allowed is None:
        return []
    return [f"does not support {what} {name}, only {', '.join(sorted(allowed))}" for name in asked if name not in allowed]


def _wishes_met(node: Node, needs: Needs) -> int:
    return sum(
        constraint.key.startswith(PREFERENCE) and _holds(node.labels.get(constraint.key.removeprefix(PREFERENCE)), constraint)
        for constraint in needs.constraints
    )


def unmet(labels: Mapping[str, str], constraints: Sequence[Constraint]) -> list[str]:
    """Why `labels` do not meet `constraints`, one reason each; empty when they do."""
    return [
        f"constraint {constraint.key} {constraint.operator} {' '.join(constraint.values)}".rstrip()
        + f" is not met: the label is {labels.get(constraint.key, 'absent')!r}"
        for constraint in constraints
        if not constraint.key.startswith(PREFERENCE) and not _holds(labels.get(constraint.key), constraint)
    ]


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
