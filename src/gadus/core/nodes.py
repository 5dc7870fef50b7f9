"""What a machine is and has, and what one execution asks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache

from .capacity import Amounts
from .spec import Constraint, JobSpec, NetworkType, Resources


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
    names, in lower case, that it allows; None when that is every one. `name` is for people.
    """

    id: str
    cpu_cores: float
    memory_bytes: int
    disk_bytes: int
    gpus: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
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

    @property
    def most_for_one(self) -> Amounts:
        """What a single execution can have, when nothing else runs."""
        return self.total if self.per_job is None else self.total.at_most(self.per_job)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one execution asks of a node. Names are in lower case; `stateless` means that it has no inputs."""

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
                "amounts": {one.name: getattr(self.amounts, one.name) for one in fields(Amounts)},
                "engine": self.engine,
                "sources": self.sources,
                "publisher": self.publisher,
                "network": self.network,
                "stateless": self.stateless,
                "constraints": [one.to_wire() for one in self.constraints],
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
        """The same, with `defaults` for the amounts that are not asked for."""
        own = self.amounts
        return replace(self, amounts=_asked(own.cpu_cores, own.memory_bytes, own.disk_bytes, own.gpus, defaults))


def needs_of(spec: JobSpec, defaults: Amounts) -> Needs:
    """What an execution of `spec` asks for; `defaults` for the amounts that it does not name."""
    task = spec.task
    return Needs(
        amounts=_amounts_of(task.resources, defaults),
        engine=task.engine.name,
        sources=tuple(sorted({one.source.name for one in task.input_sources})),
        publisher=task.publisher.name,
        network=task.network.type is not NetworkType.NONE,
        stateless=not task.input_sources,
        constraints=spec.constraints,
    )


@lru_cache(maxsize=1024)
def _amounts_of(asked: Resources, defaults: Amounts) -> Amounts:
    return _asked(asked.cpu_cores, asked.memory_bytes, asked.disk_bytes, asked.gpus, defaults)


def _asked(cpu_cores: float, memory_bytes: int, disk_bytes: int, gpus: int, defaults: Amounts) -> Amounts:
    return Amounts(
        cpu_cores or defaults.cpu_cores,
        memory_bytes or defaults.memory_bytes,
        disk_bytes or defaults.disk_bytes,
        gpus or defaults.gpus,
    )
