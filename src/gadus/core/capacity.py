"""Amounts of what a machine has and a program needs."""

from __future__ import annotations

from dataclasses import dataclass

from .units import format_bytes

_DUST = 1e-6
"""Tenths of cores do not add up exactly: a hair less is enough."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Cores, bytes and devices."""

    cpu_cores: float = 0.0
    memory_bytes: int = 0
    disk_bytes: int = 0
    gpus: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.cpu_cores + other.cpu_cores,
            self.memory_bytes + other.memory_bytes,
            self.disk_bytes + other.disk_bytes,
            self.gpus + other.gpus,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.cpu_cores - other.cpu_cores,
            self.memory_bytes - other.memory_bytes,
            self.disk_bytes - other.disk_bytes,
            self.gpus - other.gpus,
        )

    def fits_in(self, free: Amounts) -> bool:
        """Whether `free` has as much of everything."""
        return (
            self.cpu_cores <= free.cpu_cores + _DUST
            and self.memory_bytes <= free.memory_bytes
            and self.disk_bytes <= free.disk_bytes
            and self.gpus <= free.gpus
        )

    def lacking(self, there: Amounts) -> tuple[str, ...]:
        """A reason for each amount that `there` has less of, in Bacalhau's words."""
        shown = (
            ("CPU", self.cpu_cores <= there.cpu_cores + _DUST, f"{self.cpu_cores:g}", f"{there.cpu_cores:g}"),
            (
                "Memory",
                self.memory_bytes <= there.memory_bytes,
                format_bytes(self.memory_bytes),
                format_bytes(there.memory_bytes),
            ),
            ("Disk", self.disk_bytes <= there.disk_bytes, format_bytes(self.disk_bytes), format_bytes(there.disk_bytes)),
            ("GPU", self.gpus <= there.gpus, str(self.gpus), str(there.gpus)),
        )
        return tuple(
            f"job requires more {name} ({wanted}) than the maximum available ({has})"
            for name, enough, wanted, has in shown
            if not enough
        )
