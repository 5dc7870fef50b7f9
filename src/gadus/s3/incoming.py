"""One object on its way: what is missing of its file, which generation it is of, and what its bytes come to."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gadus.contracts import Slot
from gadus.core.errors import Bug, ChecksumMismatch, GadusError, InputUnreadable, StorageUnavailable

from .digest import Digest, expected_of
from .hashing import Hashing
from .parts import PART_BYTES, SMALL_BYTES, Part

if TYPE_CHECKING:
    from .transfer import Transfer

LARGEST_PART_BYTES = 64 << 20
PARTS = 32
"""About so many parts are made of the large objects that are under way: fewer would leave connections idle at the end."""
_SAYABLE = re.compile(r"[\x20-\x7e\x80-\xff]*")


class Incoming:
    """One object: which stretches of its file are still missing, and what its bytes come to."""

    def __init__(self, transfer: Transfer, slot: Slot) -> None:
        self.transfer = transfer
        self.slot = slot
        self._lock = threading.Lock()
        self._missing = list(slot.missing)
        self._missing_bytes = sum(end - offset for offset, end in self._missing)
        item = slot.item
        if not _SAYABLE.fullmatch(item.etag):
            raise InputUnreadable(
                f"{item.key!r} is listed with the ETag {item.etag[:100]!r}, by which no service can be asked for it",
                hint="use another endpoint of the service",
            )
        self._step = self._part_bytes()
        self.in_one = self._missing == [(0, item.size_bytes)] and 0 < item.size_bytes <= self._step
        self.etag = item.etag
        """Of the generation that is fetched: where the listing tells none, that of the first answer."""
        self._modified = ""
        self.digest: Digest | None = None
        self._hashing: Hashing | None = None
        self._part_digests: dict[int, tuple[Digest, int]] = {}
        if not self.in_one:
            self.digest = Digest(expected_of(item))
            # Sums of parts add up to that of the whole, if all parts come now; anything else is read back from the file.
            if not self.digest.adds_up or self._missing != [(0, item.size_bytes)]:
                self._hashing = Hashing(slot.handle, item.size_bytes, self.digest.update, self._missing)

    @property
    def followed(self) -> bool:
        """Whether a thread reads the file while it grows."""
        return self._hashing is not None

    def parts(self) -> list[Part]:
        """The requests to make, in the order of the file; one for an object that is here, which is then only checked."""
        step = self._step
        parts = [
            Part(self, begin, min(begin + step, end)) for offset, end in self._missing for begin in range(offset, end, step)
        ]
        return parts or [Part(self, 0, 0)]

    def _part_bytes(self) -> int:
        """
        The size of a part: as large as lets enough of them be in flight, since each request costs the service something.

        Where many objects are under way these are enough, and each is fetched in one.
        """
        item = self.slot.item
        parts = -(-PARTS // self.transfer.open_units)
        if parts == 1:
            return max(PART_BYTES, min(item.size_bytes, LARGEST_PART_BYTES))
        # SHA-256 follows the file from its beginning, at little more than the speed of a network: it must not begin late.
        return PART_BYTES if item.sha256 else min(LARGEST_PART_BYTES, max(PART_BYTES, item.size_bytes // parts))

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

    def new_part_digest(self) -> Digest | None:
        """What adds up the bytes of one part; None when something else looks at them."""
        return Digest(self.digest.expected) if self.digest and not self.in_one and not self._hashing else None

    def part_is_done(self, offset: int, size_bytes: int, digest: Digest | None) -> None:
        """
        One part is in the file. After the last one the object is checked, and whole.

        Raises ChecksumMismatch, StorageUnavailable.
        """
        with self._lock:
            if digest is not None:
                self._part_digests[offset] = (digest, size_bytes)
            self._missing_bytes -= size_bytes
            if self._missing_bytes:
                return
        if self.digest is not None:
            for _, (part, part_bytes) in sorted(self._part_digests.items()):
                self.digest.append(part, part_bytes)
        if self._hashing is not None:
            if not self._hashing.finish():
                return
            self.transfer.checked(self)
        digest = self.digest
        if digest is None:
            self.slot.whole()
        elif digest.fits:
            self.slot.whole(digest.value, compared=bool(digest.expected))
        else:
            self.slot.spoil()
            raise self._mismatch(digest)

    def give_up(self) -> None:
        """Nothing reads the file any more when this returns."""
        if self._hashing is not None:
            self._hashing.give_up()

    def _mismatch(self, digest: Digest) -> GadusError:
        key = self.slot.item.key
        algorithm, _, wanted = digest.expected.partition(":")
        got = digest.value.partition(":")[2]
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


class Beginning:
    """The first thing to do for an object: hold its file, see what is missing, and fetch the first part of that."""

    __slots__ = ("_first", "_slot", "_transfer", "small")

    def __init__(self, transfer: Transfer, slot: Slot) -> None:
        self.small = slot.item.size_bytes <= SMALL_BYTES
        self._transfer = transfer
        self._slot: Slot | None = slot
        self._first: Part | None = None

    def launch(self) -> int:
        """Begin with the object, and send the request for its first part; returns what its answer comes on, or -1."""
        self._begin()
        return -1 if self._first is None else self._first.launch()

    @property
    def overdue(self) -> bool:
        """Whether the answer to what was launched has been waited for too long."""
        return self._first is not None and self._first.overdue

    def run(self, buffer: memoryview) -> None:
        """Begin with the object, unless that was done, and bring its first part. How it ended is told to the transfer."""
        if self._slot is not None:
            self._begin()
        if self._first is not None:
            self._first.run(buffer)

    def stop(self) -> None:
        """Nothing to stop: it waits for nobody."""

    def _begin(self) -> None:
        transfer, slot = self._transfer, self._slot
        self._slot = None
        if slot is None or not transfer.begins(self):
            return
        failure: Exception | None = Bug(f"the transfer of {slot.item.key!r} ended in a way that nobody foresaw")
        try:
            if slot.claim():
                file = Incoming(transfer, slot)
                first, *rest = file.parts()
                if transfer.goes_on(file, rest):
                    self._first = first
                else:
                    file.give_up()
            failure = None
        except (GadusError, OSError) as exc:
            failure = exc
        finally:
            transfer.ends(self, failure)
