"""One object on its way: what is missing of its file, which generation it is of, and what its bytes come to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gadus.contracts import Slot
from gadus.core.errors import ChecksumMismatch, GadusError, StorageUnavailable

from .digest import Digest, expected_of
from .hashing import Hashing
from .parts import PART_BYTES, Part

if TYPE_CHECKING:
    from .transfer import Transfer

LARGEST_PART_BYTES = 64 << 20
PARTS = 32
"""A large object is fetched in about so many parts: more give more requests, fewer leave connections idle at the end."""


class Incoming:
    """One object: which stretches of its file are still missing, and what its bytes come to."""

    def __init__(self, transfer: Transfer, slot: Slot) -> None:
        self.transfer = transfer
        self.slot = slot
        self._lock = threading.Lock()
        self._missing = list(slot.missing)
        self._missing_bytes = sum(end - offset for offset, end in self._missing)
        item = slot.item
        self.in_one = self._missing == [(0, item.size_bytes)] and 0 < item.size_bytes <= PART_BYTES
        self.etag = item.etag
        """Of the generation that is fetched: where the listing tells none, that of the first answer."""
        self._modified = ""
        self.digest: Digest | None = None
        self._hashing: Hashing | None = None
        if not self.in_one and (expected := expected_of(item)):
            self.digest = Digest(expected)
            self._hashing = Hashing(slot.handle, item.size_bytes, self.digest.update, self._missing)

    @property
    def followed(self) -> bool:
        """Whether a thread reads the file while it grows."""
        return self._hashing is not None

    def parts(self) -> list[Part]:
        """The requests to make, in the order of the file; one for an object that is here, which is then only checked."""
        # A digest follows the file from its beginning: with large parts it would wait for the first of them.
        largest = PART_BYTES if self._hashing else LARGEST_PART_BYTES
        step = min(largest, max(PART_BYTES, self.slot.item.size_bytes // PARTS))
        parts = [
            Part(self, begin, min(begin + step, end)) for offset, end in self._missing for begin in range(offset, end, step)
        ]
        return parts or [Part(self, 0, 0)]

    def is_told_by(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer with these headers is of the same generation as all before, as far as the service says."""
        etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
        with self._lock:
            if not self.etag:
                first = self._modified or modified
                self.etag, self._modified = etag, first
                return modified in ("", first)
            return not etag or _bare(etag) == _bare(self.etag)

    @property
    def can_continue(self) -> bool:
        """Whether anything tells the generation of an answer, so that bytes of two answers can be put together."""
        return bool(self.etag or self._modified)

    def wrote(self, offset: int, end: int) -> None:
        """That stretch is in the file."""
        self.slot.wrote(offset, end)
        if self._hashing is not None:
            self._hashing.wrote(offset, end)

    def part_is_done(self, size_bytes: int) -> None:
        """
        One part, of that size, is in the file. After the last one the object is checked, and whole.

        Raises ChecksumMismatch, StorageUnavailable.
        """
        with self._lock:
            self._missing_bytes -= size_bytes
            if self._missing_bytes:
                return
        if self._hashing is not None:
            if not self._hashing.finish():
                return
            self.transfer.checked(self)
        digest = self.digest
        if digest is None:
            self.slot.whole()
            return
        algorithm, _, value = digest.value.partition(":")
        if digest.value != digest.expected:
            self.slot.spoil()
            raise self._mismatch(algorithm, digest.expected, value)
        if algorithm == "sha256":
            self.slot.whole(sha256=value)
        else:
            self.slot.whole(checksum=digest.value)

    def give_up(self) -> None:
        """Nothing reads the file any more when this returns."""
        if self._hashing is not None:
            self._hashing.give_up()

    def _mismatch(self, algorithm: str, expected: str, got: str) -> GadusError:
        key = self.slot.item.key
        wanted = expected.partition(":")[2]
        if self.slot.item.sha256:
            return ChecksumMismatch(
                f"checksum mismatch for key {key!r}: expected SHA-256 {wanted}, got {got}",
                hint="the object is not the one that was pinned: check ChecksumSHA256, or pin its version with VersionID",
            )
        return StorageUnavailable(
            f"{key!r} arrived damaged: its {algorithm} should be {wanted} and is {got}", hint="run the job again"
        )


def _bare(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')
