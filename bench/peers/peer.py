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
    """`leading` ones take part in every round; of a workload of small objects, the others fetch only a part."""

    name: str
    about: str
    command: Callable[[Place], list[str]]
    package: str
    leading: bool = False
