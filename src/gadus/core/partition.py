"""Which of a job's executions sees which objects of an input: each object falls to one of them, whoever asks and when."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from heapq import heapreplace, merge
from typing import Literal, Self, get_args

import re2
from pydantic import Field, field_validator, model_validator

from .date_layout import DateLayout
from .errors import Bug
from .pattern import compile_pattern
from .problem import clipped, nearest
from .spec import Wire

PartitionType = Literal["", "none", "object", "regex", "substring", "date", "bytes"]

_FNV_START = 2166136261
_FNV_PRIME = 16777619
_FNV_MASK = 0xFFFFFFFF
_BETWEEN_GROUPS = b"\x1f"
_LONGEST_DATE_BYTES = 1024
_SORTED_AT_ONCE = 1 << 16


class Partition(Wire):
    """
    How the objects of an input are shared out among the executions of a job, as in Bacalhau; the type `bytes` is ours.

    What belongs to another `type` is ignored.
    """

    type: PartitionType = Field("none", alias="Type")
    pattern: str = Field("", alias="Pattern")
    start_index: int = Field(0, alias="StartIndex")
    end_index: int = Field(0, alias="EndIndex")
    date_format: str = Field("", alias="DateFormat")

    @field_validator("type", mode="before")
    @classmethod
    def _type_is_known(cls, value: object) -> object:
        known = get_args(PartitionType)
        if isinstance(value, str) and value not in known:
            spellings = nearest(value, [name for name in known if name])
            raise ValueError(f"unsupported partition key type {clipped(value)}: {spellings}")
        return value

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        match self.type:
            case "regex":
                self._check_pattern()
            case "substring":
                self._check_indexes()
            case "date":
                self._check_date_format()
        return self

    @property
    def shares_out(self) -> bool:
        """Whether executions see different objects; else each of them sees all."""
        return self.type not in ("", "none")

    def index_of(self, key: str, text: str, count: int) -> int:
        """
        Which of `count` executions the object `key` falls to, from 0; `text` is what its source shows of the key.

        Always the same for the same values. Only for types that look at the key: `bytes` looks at all sizes (see `balanced`).
        """
        if count < 1:
            raise Bug(f"job partitions/count must be greater than 0, not {count}")
        match self.type:
            case "object":
                # Keys of one directory often come one after the other: its hash is not computed anew.
                directory, slash, name = key.rpartition("/")
                return fnv1a_32(_bytes_of(name), _hash_of_directory(directory + slash)) % count
            case "regex":
                found = self._found_in(_bytes_of(text))
            case "substring":
                found = _bytes_of(text[self.start_index : self.end_index]) if len(text) >= self.end_index else None
            case "date":
                found = self._date_in(_bytes_of(text))
            case _:
                raise Bug(f"partition type {self.type!r} does not look at keys")
        return 0 if found is None else fnv1a_32(found) % count

    @cached_property
    def _regex(self) -> re2.Pattern:
        return compile_pattern(self.pattern)

    @cached_property
    def _layout(self) -> DateLayout:
        return DateLayout(_bytes_of(self.date_format))

    def _found_in(self, text: bytes) -> bytes | None:
        """The groups of the first match that are not empty, else the whole match; None when there is nothing of these."""
        match = self._regex.search(text)
        if match is None:
            return None
        return _BETWEEN_GROUPS.join(group for group in match.groups() if group) or match[0] or None

    def _date_in(self, text: bytes) -> bytes | None:
        """The date that `text` begins with, in as many bytes as its layout has; None when it is none."""
        moment = self._layout.parse(text[: len(_bytes_of(self.date_format))])
        return None if moment is None else self._layout.format(moment)

    def _check_pattern(self) -> None:
        if not self.pattern:
            raise ValueError(r"Pattern: regex pattern cannot be empty: give what to look for, e.g. user(\d+)")
        try:
            _ = self._regex
        except ValueError as exc:
            raise ValueError(f"Pattern {clipped(self.pattern)!r}: {exc}") from exc

    def _check_indexes(self) -> None:
        if self.start_index < 0:
            raise ValueError(f"StartIndex {self.start_index}: start index cannot be negative: characters count from 0")
        if self.end_index <= self.start_index:
            raise ValueError(
                f"EndIndex {self.end_index}: end index must be greater than start index {self.start_index}: "
                "it is the first character that no longer counts"
            )

    def _check_date_format(self) -> None:
        if not self.date_format:
            raise ValueError("DateFormat: date format cannot be empty: give a layout, e.g. 2006-01-02")
        if len(self.date_format.encode()) > _LONGEST_DATE_BYTES:
            raise ValueError(f"DateFormat is over {_LONGEST_DATE_BYTES} bytes, more than any key: give e.g. 2006-01-02")
        try:
            _ = self._layout
        except ValueError as exc:
            raise ValueError(
                f"DateFormat: {exc}: what it writes it cannot read again: put something between its numbers, e.g. 2006-1-2"
            ) from exc


class InputParams(Wire):
    """What every source's params have. By default the program only reads, and every execution sees all objects."""

    read_write: bool = Field(False, alias="ReadWrite")
    partition: Partition = Field(default_factory=Partition, alias="Partition")

    def subject(self, key: str) -> str:
        """What a partition sees of `key`."""
        return key


def balanced(sizes: Iterable[int], count: int) -> array[int]:
    """
    Which of `count` parts each object falls to, by its position in `sizes`: the largest first, always into the lightest part.

    The heaviest part has at most the largest object more than the lightest. Equal objects go by position, equal parts by
    number. A size below 0, one that nobody knows, weighs nothing. Needs some 16 bytes an object.
    """
    if count < 1:
        raise Bug(f"job partitions/count must be greater than 0, not {count}")
    size_of = array("Q", (max(size, 0) for size in sizes))
    parts = array("I", bytes(array("I").itemsize * len(size_of)))
    by_weight = [(0, part) for part in range(count)]
    for position in _largest_first(size_of):
        weight, part = by_weight[0]
        parts[position] = part
        heapreplace(by_weight, (weight + size_of[position], part))
    return parts


def fnv1a_32(data: bytes, start: int = _FNV_START) -> int:
    """The 32-bit FNV-1a hash of `data`, or of what gave `start` followed by `data`."""
    state = start
    for byte in data:
        state = (state ^ byte) * _FNV_PRIME & _FNV_MASK
    return state


def _largest_first(size_of: array[int]) -> Iterator[int]:
    """The positions of all sizes. Sorted piece by piece: a list of them all would need several times the memory."""
    pieces = [range(start, min(start + _SORTED_AT_ONCE, len(size_of))) for start in range(0, len(size_of), _SORTED_AT_ONCE)]
    runs = [array("I", sorted(piece, key=size_of.__getitem__, reverse=True)) for piece in pieces]
    # Sorting and merging keep the order of equals, also when reversed.
    return merge(*runs, key=size_of.__getitem__, reverse=True)


@lru_cache(maxsize=1024)
def _hash_of_directory(path: str) -> int:
    return fnv1a_32(_bytes_of(path))


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
