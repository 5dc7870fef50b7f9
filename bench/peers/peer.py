"""What a client is to the benchmark: a name, its settings in words, and the command that fetches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """
    What to fetch, and the directory for it.

    `large` objects are fetched in parts. `distant` is a service with a latency: some clients have other best settings then.
    """

    endpoint: str
    bucket: str
    prefix: str
    directory: Path
    large: bool = False
    distant: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """
    `leading` ones take part in every round, in full.

    Of the others, `sampled` fetch a part of a workload of small objects, and their figures are multiplied.
    """

    name: str
    about: str
    command: Callable[[Place], list[str]]
    package: str
    leading: bool = False
    sampled: bool = True
