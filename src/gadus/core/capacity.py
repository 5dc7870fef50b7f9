"""Amounts of what a machine has and a program needs, and limits on them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .errors import InvalidSpec
from .problem import clipped
from .units import format_bytes

_DUST = 1e-6
"""Tenths of cores do not add up exactly: a hair less is enough."""
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%")


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

    def at_most(self, other: Amounts) -> Amounts:
        """The smaller of each."""
        return Amounts(
            min(self.cpu_cores, other.cpu_cores),
            min(self.memory_bytes, other.memory_bytes),
            min(self.disk_bytes, other.disk_bytes),
            min(self.gpus, other.gpus),
        )

    def at_least(self, other: Amounts) -> Amounts:
        """The larger of each."""
        return Amounts(
            max(self.cpu_cores, other.cpu_cores),
            max(self.memory_bytes, other.memory_bytes),
            max(self.disk_bytes, other.disk_bytes),
            max(self.gpus, other.gpus),
        )

    def fits_in(self, free: Amounts) -> bool:
        """Whether `free` has as much of everything."""
        # What is not asked for is there, also where more was given away than there is.
        return (
            self.cpu_cores <= max(free.cpu_cores, 0.0) + _DUST
            and self.memory_bytes <= max(free.memory_bytes, 0)
            and self.disk_bytes <= max(free.disk_bytes, 0)
            and self.gpus <= max(free.gpus, 0)
        )

    def lacking(self, free: Amounts) -> tuple[str, ...]:
        """A reason for each amount that `free` has less of, in Bacalhau's words."""
        return tuple(
            f"job requires more {name} ({wanted}) than the maximum available ({there})"
            for name, wanted, there in self._short_of(free)
        )

    def waits_for(self, free: Amounts) -> str:
        """What of `free` is too little now: "needs CPU 2, free 0.5"."""
        return "; ".join(f"needs {name} {wanted}, free {there}" for name, wanted, there in self._short_of(free))

    def _short_of(self, free: Amounts) -> Iterator[tuple[str, str, str]]:
        """The name, the amount wanted and the amount there, of each that is too little."""
        there = free.at_least(Amounts())
        if self.cpu_cores > there.cpu_cores + _DUST:
            yield "CPU", f"{self.cpu_cores:.6g}", f"{there.cpu_cores:.6g}"
        for name, wanted, has in (
            ("Memory", self.memory_bytes, there.memory_bytes),
            ("Disk", self.disk_bytes, there.disk_bytes),
        ):
            if wanted > has:
                yield name, *_told_apart(wanted, has)
        if self.gpus > there.gpus:
            yield "GPU", str(self.gpus), str(there.gpus)


def _told_apart(wanted: int, there: int) -> tuple[str, str]:
    """Both sizes for people; to the byte where they would look the same."""
    shown = format_bytes(wanted), format_bytes(there)
    return shown if shown[0] != shown[1] else (f"{wanted} B", f"{there} B")


@dataclass(frozen=True, slots=True)
class Limit:
    """A share of what there is, or an amount of it but no more than there is."""

    share: float = 1.0
    amount: float | None = None

    def of(self, total: float) -> float:
        """So much of `total`."""
        return min(self.regardless_of(total), total)

    def regardless_of(self, total: float) -> float:
        """A share of `total`, or the amount, also where that is more."""
        return total * self.share if self.amount is None else self.amount


@dataclass(frozen=True, slots=True)
class Limits:
    """A limit on each amount; all there is where nothing is said."""

    cpu: Limit = Limit()
    memory: Limit = Limit()
    disk: Limit = Limit()
    gpu: Limit = Limit()

    def of(self, total: Amounts) -> Amounts:
        """So much of what a machine has; of devices and bytes whole ones."""
        return Amounts(
            self.cpu.of(total.cpu_cores),
            int(self.memory.of(total.memory_bytes)),
            int(self.disk.of(total.disk_bytes)),
            int(self.gpu.of(total.gpus) + _DUST),
        )

    def regardless_of(self, total: Amounts) -> Amounts:
        """The same where more may be given away than there is; of devices there are never more."""
        return Amounts(
            self.cpu.regardless_of(total.cpu_cores),
            int(self.memory.regardless_of(total.memory_bytes)),
            int(self.disk.regardless_of(total.disk_bytes)),
            int(self.gpu.of(total.gpus) + _DUST),
        )


def share_or_amount(text: str, *, read: Callable[[str], float], setting: str) -> Limit:
    """
    The limit written as "80%" or as an amount that `read` understands ("4", "2GiB").

    Raises InvalidSpec that names `setting`.
    """
    percent = _PERCENT.fullmatch(text.strip())
    if percent is not None:
        share = float(percent[1]) / 100
        if share <= 1:
            return Limit(share=share)
        raise InvalidSpec([f"{setting}: {text!r} is more than there is"], hint='write "100%" or less, or an amount')
    try:
        return Limit(amount=read(text))
    except ValueError as error:
        raise InvalidSpec([f"{setting}: {error}"], hint='write an amount, or a share of what there is: "80%"') from error


def whole_number(text: str) -> int:
    """A number of devices, none included. Raises ValueError with the reason."""
    if not re.fullmatch(r"[0-9]{1,4}", text.strip()):
        raise ValueError(f'{clipped(text)!r} is not a number of devices: use "0", "1", …')
    return int(text)
