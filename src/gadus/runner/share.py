"""The part of an input that one execution of a job sees."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence

from gadus.contracts import Found
from gadus.core.manifest import Item
from gadus.core.partition import InputParams, balanced
from gadus.core.plan import Amount


class Share:
    """One part of `count`; the whole input when it is not partitioned."""

    def __init__(self, params: InputParams, index: int, count: int) -> None:
        self._params = params
        self.index = index
        self.count = count
        self.whole = count == 1 or not params.partition.shares_out

    @property
    def needs_all(self) -> bool:
        """Whether all objects have to be known before any can be said to belong to this part."""
        return not self.whole and self._params.partition.type == "bytes"

    def name(self, digest: str) -> str:
        """The name of this part of the manifest `digest`: the same for the same rule, index and count."""
        if self.whole:
            return digest
        rule = self._params.partition.model_dump_json(exclude_defaults=True)
        return hashlib.sha256(f"{digest} {rule} {self.index}/{self.count}".encode()).hexdigest()

    def selection(self, read: Callable[[], Iterable[Found]]) -> Callable[[Found], Found]:
        """
        What is to be done with each batch, in their order, to have this part of it.

        `read` gives the whole manifest; it is asked only when the part `needs_all`.
        """
        if self.whole:
            return lambda found: found
        if self.needs_all:
            owners = balanced((item.size_bytes for found in read() for item in found.items), self.count)
            return _Numbered(owners, self.index)
        partition, subject = self._params.partition, self._params.subject
        index, count = self.index, self.count

        def select(found: Found) -> Found:
            mine = [item for item in found.items if partition.index_of(item.key, subject(item.key), count) == index]
            return Found(found.location, mine)

        return select


def parts_of(params: InputParams, count: int, batches: Iterable[Found]) -> list[Amount]:
    """
    How much of a whole input each of `count` executions sees, by index; the batches are gone through once.

    For an input that is shared out. Needs some 16 bytes an object when it is by their sizes, else none.
    """
    objects = array("Q", bytes(8 * count))
    size_bytes = array("Q", bytes(8 * count))
    for index, size in _owned(params, count, batches):
        objects[index] += 1
        size_bytes[index] += size
    return [Amount(*both) for both in zip(objects, size_bytes, strict=True)]


def _owned(params: InputParams, count: int, batches: Iterable[Found]) -> Iterator[tuple[int, int]]:
    """The index that each object falls to, and the object's size."""
    items = (item for found in batches for item in found.items)
    partition, subject = params.partition, params.subject
    if partition.type == "bytes":
        sizes = array("Q", (max(item.size_bytes, 0) for item in items))
        yield from zip(balanced(sizes, count), sizes, strict=True)
        return
    for item in items:
        yield partition.index_of(item.key, subject(item.key), count), max(item.size_bytes, 0)


class _Numbered:
    """Selects by the position of an object in its manifest."""

    def __init__(self, owners: array[int], index: int) -> None:
        self._owners = owners
        self._index = index
        self._position = 0

    def __call__(self, found: Found) -> Found:
        mine: Sequence[Item] = [item for item, owner in self._with_owners(found.items) if owner == self._index]
        return Found(found.location, mine)

    def _with_owners(self, items: Sequence[Item]) -> Iterator[tuple[Item, int]]:
        begin = self._position
        self._position += len(items)
        return zip(items, self._owners[begin : self._position], strict=True)
