"""What went through the proxy: requests by kind, and the bytes of bodies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """What a request asks for."""

    WHOLE = "whole"
    RANGE = "range"
    HEAD = "head"
    LIST = "list"
    OTHER = "other"


@dataclass(slots=True)
class Traffic:
    """
    Counts since they were last set to zero.

    The first five are requests, those that were `refused` among them. `body_bytes` are of objects and went down the wire to
    the client; `list_bytes` are of listings. `reset` counts connections cut in mid-body, `in_flight` the object bodies that
    are on their way now. `longest_range_bytes` is the most that one ranged request asked for.
    """

    whole: int = 0
    range: int = 0
    head: int = 0
    list: int = 0
    other: int = 0
    refused: int = 0
    reset: int = 0
    in_flight: int = 0
    body_bytes: int = 0
    list_bytes: int = 0
    longest_range_bytes: int = 0

    @property
    def object_requests(self) -> int:
        """Every request about objects: whole, ranged, and HEAD."""
        return self.whole + self.range + self.head

    def count(self, kind: Kind) -> None:
        match kind:
            case Kind.WHOLE:
                self.whole += 1
            case Kind.RANGE:
                self.range += 1
            case Kind.HEAD:
                self.head += 1
            case Kind.LIST:
                self.list += 1
            case Kind.OTHER:
                self.other += 1

    def document(self) -> dict[str, int]:
        """The counts as a JSON object."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        return cls(**document)
