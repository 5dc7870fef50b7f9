"""Which node may run a task: constraints on labels, and amounts that it has at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .spec import Constraint, JobSpec
from .units import format_bytes

_WHOLE = re.compile(r"-?[0-9]{1,18}")
PREFERENCE = "favour_"
"""A constraint on a key with this prefix is a wish: it never rules a node out."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that can run executions. Amounts are what it has at all, not what is free now."""

    id: str
    cpu_cores: float
    memory_bytes: int
    disk_bytes: int
    gpus: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


def reasons_against(node: Node, spec: JobSpec) -> tuple[str, ...]:
    """Every reason why `node` cannot run `spec`; empty when it can."""
    return (*unmet(node.labels, spec.constraints), *_too_much(node, spec))


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


def _too_much(node: Node, spec: JobSpec) -> list[str]:
    needs = spec.task.resources
    reasons = []
    if needs.cpu_cores > node.cpu_cores:
        reasons.append(f"job requires more CPU ({needs.cpu_cores:g}) than the maximum available ({node.cpu_cores:g})")
    for name, wanted, there in (
        ("Memory", needs.memory_bytes, node.memory_bytes),
        ("Disk", needs.disk_bytes, node.disk_bytes),
    ):
        if wanted > there:
            reasons.append(
                f"job requires more {name} ({format_bytes(wanted)}) than the maximum available ({format_bytes(there)})"
            )
    if needs.gpus > node.gpus:
        reasons.append(f"job requires more GPU ({needs.gpus}) than the maximum available ({node.gpus})")
    return reasons
