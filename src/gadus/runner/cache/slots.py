"""
The file of one object on its way into the cache: claimed, filled, whole.

The claim is a lock on the open file ``partial/<identity>``: the kernel frees it when the process ends, however it ends, so one
process at a time fetches an object, and a file whose lock is free belongs to nobody.
"""

# ruff: noqa: PTH108 - for each of many objects: a Path costs more than the call that uses it

from __future__ import annotations

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
from .stretches import Journal

RESUMED_FROM_BYTES = 8 << 20
"""Larger objects are continued after a kill; smaller ones are fetched anew, which costs less than a journal."""
_TRIES = 1000
_READ_ONLY = 0o444


class Keeper(Protocol):
    """Who gets the slots of one growing tree."""

    def claim(self, slot: SlotFile) -> bool:
        """Have the slot hold its file; False when there is nothing to do."""

    def arrived(self, slot: SlotFile, size_bytes: int) -> None:
        """So many more bytes are in the slot's file."""

    def whole(self, slot: SlotFile, size_bytes: int, digest: str, *, compared: bool) -> None:
        """The slot's file is complete and read-only: give it its names."""

    def let_go(self, slot: SlotFile) -> None:
        """The slot is closed."""


class SlotFile:
    """A `contracts.Slot`: what is written into it is the file ``partial/<identity>``, once this process has claimed that."""

    __slots__ = (
        "_handle",
        "_here_bytes",
        "_journal",
        "_keeper",
        "_layout",
        "_lock",
        "identity",
        "item",
        "path",
        "resumed",
        "resumed_bytes",
        "seconds_at_start",
    )

    def __init__(self, keeper: Keeper, layout: Layout, item: Item, identity: str) -> None:
        self.item = item
        self.identity = identity
        self.path = layout.partial(identity)
        self.resumed = is_resumed(item)
        self.resumed_bytes = 0
        self.seconds_at_start = 0.0
        self._keeper = keeper
        self._layout = layout
        self._handle = -1
        self._here_bytes = 0
        self._journal: Journal | None = None
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """Hold the file, if that is free and the object not here by now."""
        self.seconds_at_start = time.monotonic()
        return self._keeper.claim(self)

    def hold(self) -> bool:
        """Hold the file; False when somebody else does."""
        handle = claim(self.path, resumed=self.resumed)
        if handle is None:
            return False
        self._handle = handle
        return True

    def read_journal(self) -> None:
        """Find out what an earlier process has left in the file."""
        self._journal = Journal(self._layout.journal(self.identity), os.fstat(self.handle), self.item.size_bytes)
        self._here_bytes = self.resumed_bytes = self._journal.stretches.size_bytes

    @property
    def handle(self) -> int:
        """An open descriptor. Raises Bug when the slot is closed."""
        if self._handle < 0:
            raise Bug(f"the slot of {self.item.key!r} was used after its end")
        return self._handle

    @property
    def missing(self) -> Sequence[tuple[int, int]]:
        """The stretches that are not here yet."""
        if self._journal is None:
            return [(0, self.item.size_bytes)] if self.item.size_bytes else []
        with self._lock:
            return self._journal.stretches.missing(self.item.size_bytes)

    def wrote(self, offset: int, end: int) -> None:
        """The bytes from `offset` to `end` are in the file."""
        with self._lock:
            # A small object comes from its beginning; when it is begun anew, the same bytes come twice.
            new_bytes = self._journal.add(offset, end) if self._journal else max(0, end - self._here_bytes)
            self._here_bytes += new_bytes
        self._keeper.arrived(self, new_bytes)

    def whole(self, digest: str = "", *, compared: bool = False) -> None:
        """The object is complete: it is shown under its names. Raises Bug when that cannot be."""
        handle, size_bytes = self.handle, self.item.size_bytes
        # Of a small object it is enough that all its bytes were told.
        if self._journal or self._here_bytes != size_bytes:
            size_bytes = os.fstat(handle).st_size
            if self.item.size_bytes not in (-1, size_bytes) or (self._journal and self._here_bytes != size_bytes):
                raise Bug(f"{self.item.key!r} was called whole with {self._here_bytes} of {self.item.size_bytes} bytes")
        if self.resumed:
            os.fchmod(handle, _READ_ONLY)
        self._keeper.whole(self, size_bytes, digest, compared=compared)
        if self._journal:
            with suppress(FileNotFoundError):
                os.unlink(self._layout.journal(self.identity))
        self._close()

    def spoil(self) -> None:
        """What is in the file is not the object: it is removed."""
        self._keeper.arrived(self, -self._here_bytes)
        self._remove()

    def abandon(self) -> int:
        """Nobody fills the slot any more: a large object stays to be continued, anything else goes. Returns the bytes kept."""
        if self._handle < 0:
            return 0
        if self._journal and self._here_bytes:
            self._close()
            return self._here_bytes
        self._remove()
        return 0

    def discard(self) -> None:
        """Nobody fills the slot any more, and nothing of it may stay."""
        if self._handle >= 0:
            self._remove()

    def _remove(self) -> None:
        # The journal first: it must never be there for a file that is not.
        for path in (self._layout.journal(self.identity), self.path) if self.resumed else (self.path,):
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
    The open file `path`, held by this process; None while somebody else holds it.

    It is new, and read-only for everybody but this handle; or, when it is to be `resumed`, what a process left that died.
    """
    for _ in range(_TRIES):
        handle, is_new = _opened(path, resumed=resumed)
        if handle is None:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        file = os.fstat(handle)
        if file.st_nlink and (file.st_mode & stat.S_IWUSR if resumed else is_new):
            # The umask of this process may have taken from others that they may read it.
            if not resumed and stat.S_IMODE(file.st_mode) != _READ_ONLY:
                os.fchmod(handle, _READ_ONLY)
            return handle
        # Between open and lock its owner removed it or completed it; or it is left by one that died, of no use as it is.
        if _is_still(path, file):
            if resumed:
                os.fchmod(handle, 0o600)
            else:
                os.unlink(path)
        os.close(handle)
    raise Bug(f"{path} cannot be claimed: it is always another file")


def is_free(path: str) -> bool:
    """Whether the file may be claimed just now; only a hint."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _opened(path: str, *, resumed: bool) -> tuple[int | None, bool]:
    """The file, made if need be, and whether it was; None when it came or went in between."""
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600 if resumed else _READ_ONLY), True
    except FileExistsError:
        pass
    with suppress(FileNotFoundError):
        # When it is read-only, its owner is about to complete it, or died then.
        with suppress(PermissionError):
            return os.open(path, flags | (os.O_RDWR if resumed else os.O_RDONLY)), False
        return os.open(path, flags | os.O_RDONLY), False
    return None, False


def _is_still(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), file)
    except FileNotFoundError:
        return False
