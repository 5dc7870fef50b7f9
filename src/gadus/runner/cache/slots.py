"""
The file of one object on its way into the cache: claimed, filled, whole.

The claim is a lock on the open file ``partial/<identity>``: the kernel frees it when the process ends, however it ends, so one
process at a time fetches an object, and a file whose lock is free belongs to nobody.
"""

# ruff: noqa: PTH108 - for each of many objects: a Path costs more than the call that uses it

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from gadus.core.errors import Bug
from gadus.core.manifest import Item

from .layout import Layout
from .stretches import Journal, Stretches

RESUMED_FROM_BYTES = 8 << 20
"""Larger objects are continued after a kill; smaller ones are fetched anew, which costs less than a journal."""
_TRIES = 1000


class Keeper(Protocol):
    """Who gets the slots of one growing tree."""

    def arrived(self, size_bytes: int) -> None:
        """So many more bytes are in files."""

    def whole(self, slot: SlotFile, size_bytes: int, sha256: str, checksum: str) -> None:
        """The slot's file is complete and read-only: give it its names."""

    def let_go(self, slot: SlotFile) -> None:
        """The slot is closed."""


class SlotFile:
    """A `contracts.Slot`: what is written into it is the file ``partial/<identity>``, which this process has claimed."""

    def __init__(self, keeper: Keeper, layout: Layout, item: Item, identity: str, handle: int) -> None:
        self.item = item
        self.identity = identity
        self.path = layout.partial(identity)
        self.seconds_at_start = time.monotonic()
        self._keeper = keeper
        self._handle = handle
        self._journal_path = layout.journal(identity)
        self._journal: Journal | None = None
        self._lock = threading.Lock()
        self.resumed = is_resumed(item)
        if self.resumed:
            self._journal = Journal(self._journal_path, os.fstat(handle), item.size_bytes)
        self._here = self._journal.stretches if self._journal else Stretches()
        self.resumed_bytes = self._here.size_bytes

    def allocate(self) -> None:
        """Take the room on the disk for a large object now, in as few pieces as possible."""
        try:
            os.posix_fallocate(self._handle, 0, self.item.size_bytes)
        except OSError as exc:
            # Some file systems cannot; then a full disk shows later.
            if exc.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise

    @property
    def handle(self) -> int:
        """An open descriptor. Raises Bug when the slot is closed."""
        if self._handle < 0:
            raise Bug(f"the slot of {self.item.key!r} was used after its end")
        return self._handle

    @property
    def missing(self) -> Sequence[tuple[int, int]]:
        """The stretches that are not here yet."""
        if self.item.size_bytes < 0:
            return [(0, -1)]
        with self._lock:
            return self._here.missing(self.item.size_bytes)

    def wrote(self, offset: int, end: int) -> None:
        """The bytes from `offset` to `end` are in the file."""
        with self._lock:
            new_bytes = self._journal.add(offset, end) if self._journal else self._here.add(offset, end)
        self._keeper.arrived(new_bytes)

    def whole(self, *, sha256: str = "", checksum: str = "") -> None:
        """The object is complete: it is shown under its names. Raises Bug when that cannot be."""
        size_bytes = os.fstat(self.handle).st_size
        wanted_bytes = self.item.size_bytes if self.item.size_bytes >= 0 else size_bytes
        if size_bytes != wanted_bytes or (self._journal and self._here.size_bytes != size_bytes):
            raise Bug(f"{self.item.key!r} was called whole with {self._here.size_bytes} of {wanted_bytes} bytes")
        if self._here.size_bytes < size_bytes:
            self._keeper.arrived(size_bytes - self._here.size_bytes)
        os.fchmod(self.handle, 0o444)
        self._keeper.whole(self, size_bytes, sha256, checksum)
        if self._journal:
            with suppress(FileNotFoundError):
                os.unlink(self._journal_path)
        self._close()

    def spoil(self) -> None:
        """What is in the file is not the object: it is removed."""
        self._keeper.arrived(-self._here.size_bytes)
        self._remove()

    def abandon(self) -> int:
        """Nobody fills the slot any more: a large object stays to be continued, anything else goes. Returns the bytes kept."""
        if self._handle < 0:
            return 0
        if self._journal and self._here.size_bytes:
            self._close()
            return self._here.size_bytes
        self._remove()
        return 0

    def discard(self) -> None:
        """Nobody fills the slot any more, and nothing of it may stay."""
        if self._handle >= 0:
            self._remove()

    def _remove(self) -> None:
        # The journal first: it must never be there for a file that is not.
        for path in (self._journal_path, self.path) if self._journal else (self.path,):
            with suppress(FileNotFoundError):
                os.unlink(path)
        self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle < 0:
            raise Bug(f"the slot of {self.item.key!r} was closed twice")
        if self._journal:
            self._journal.close()
        # At the very end: this frees the claim.
        os.close(handle)
        self._keeper.let_go(self)


def is_resumed(item: Item) -> bool:
    """Whether a partial file of `item` is of use to a later process."""
    return item.pinned and item.size_bytes > RESUMED_FROM_BYTES


def claim(path: str, *, resumed: bool) -> int | None:
    """
    The open file `path`, new or left by a process that died, held by this process; None while somebody else holds it.

    A left file is cut to nothing unless it is to be `resumed`.
    """
    for _ in range(_TRIES):
        handle = _opened(path)
        if handle is None:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        file = os.fstat(handle)
        if file.st_nlink and file.st_mode & stat.S_IWUSR:
            if file.st_size and not resumed:
                os.ftruncate(handle, 0)
            return handle
        # Between open and lock its owner removed it, completed it, or died at the moment before its last step.
        if _is_still(path, file):
            if resumed:
                os.fchmod(handle, 0o600)
            else:
                os.unlink(path)
        os.close(handle)
    raise Bug(f"{path} cannot be claimed: it is always another file")


def _opened(path: str) -> int | None:
    """The file, made if need be; None when it came or went in between."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        return None
    except PermissionError:
        # Read-only: its owner is about to complete it, or died then.
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        return None


def _is_still(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), file)
    except FileNotFoundError:
        return False
