"""
A tree while it grows: links to objects that are here, and the slots of those that are fetched.

Everything in here works on files and returns when it is done; `filling.py` says when what is called.
"""

# ruff: noqa: PTH104, PTH116 - for each of many objects: a Path costs more than the call that uses it

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

from gadus.core.errors import Bug
from gadus.core.manifest import Item

from .directory import Directory
from .layout import About, Layout, files_of, path_in_tree, record_of, write_about
from .record import Recording, check_of
from .room import Promise, Room
from .slots import SlotFile, is_free, is_resumed

Wanted = tuple[Item, str]
"""An object with its name in the cache."""


class Report(Protocol):
    """Who is told how a tree grows. Called from any thread, often: it must be cheap and safe for that."""

    def here(self, objects: int, size_bytes: int) -> None:
        """So much more need not be fetched; bytes without an object are those of one that an earlier run began."""

    def arrived(self, size_bytes: int) -> None:
        """So many more bytes were fetched; negative when what was fetched is given up."""

    def whole(self, item: Item) -> None:
        """One more fetched object is whole."""


class Growing:
    """The tree in the claimed directory `place`. Safe for use by several threads, but for `finish` and what ends it."""

    def __init__(self, layout: Layout, room: Room, place: Path, report: Report) -> None:
        self.root = place / "whole"
        self.root.mkdir(mode=0o700)
        self.location = ""
        self.objects = 0
        self.size_bytes = 0
        self.fetched_objects = 0
        self.fetched_bytes = 0
        self._nameless = False
        self._verified: Counter[str] = Counter()
        self._layout = layout
        self._room = room
        self._report = report
        self.aside: deque[Wanted] = deque()
        """Objects that somebody else is bringing; any thread may add one."""
        self._unclaimed = 0
        """How many slots are given out and not claimed."""
        self._unallocated_bytes = 0
        """What the disk must still have free for all that was promised."""
        self._allocated_before: dict[str, int] = {}
        """What large partial objects had on the disk when room was made for the rest, by their names."""
        self._open: set[SlotFile] = set()
        self._lock = threading.Lock()
        with ExitStack() as handles:
            self._promise = handles.enter_context(closing(Promise(place)))
            self._directory = handles.enter_context(closing(Directory(files_of(self.root))))
            self._record = handles.enter_context(closing(Recording(record_of(self.root))))
            self._handles = handles.pop_all()

    @property
    def known_bytes(self) -> int:
        """All that the tree is known to consist of."""
        return self.size_bytes + max(self._promise.size_bytes, 0)

    def add_directories(self, directories: Sequence[str]) -> None:
        """Make directories that are to be there even if nothing is in them."""
        for directory in directories:
            self._directory.add(directory)

    def link_known(self, items: Sequence[Item]) -> list[Wanted]:
        """Link the objects that are here; returns the others."""
        missing = []
        known = known_bytes = 0
        for item in items:
            # What nothing pins gets a name that nobody asks for again.
            identity = item.identity(self.location) if item.pinned else secrets.token_hex(32)
            if item.pinned and (size_bytes := self._link(item, identity)) >= 0:
                known += 1
                known_bytes += size_bytes
            else:
                missing.append((item, identity))
        if known:
            self._report.here(known, known_bytes)
        return missing

    def reserve(self, missing: Sequence[Wanted]) -> bool:
        """Make room for these; False when it may be there later. Raises DiskFull."""
        needed_bytes = sum(max(item.size_bytes, 0) for item, _ in missing)
        partials = {identity: self._allocated(identity) for item, identity in missing if is_resumed(item)}
        disk_bytes = needed_bytes - sum(partials.values())
        with self._lock:
            unallocated_bytes = max(self._unallocated_bytes, 0)
            whole_bytes = self.known_bytes + needed_bytes
        reserved = self._room.reserve(
            self._promise,
            needed_bytes,
            disk_bytes=unallocated_bytes + disk_bytes,
            whole_bytes=whole_bytes,
            wanted=partials.keys(),
        )
        if reserved:
            with self._lock:
                self._unallocated_bytes += disk_bytes
                self._allocated_before.update((identity, here_bytes) for identity, here_bytes in partials.items() if here_bytes)
        return reserved

    def slot(self, item: Item, identity: str) -> SlotFile:
        """The slot of an object that is missing; nothing happens before it is claimed."""
        with self._lock:
            self._unclaimed += 1
        return SlotFile(self, self._layout, item, identity)

    def claim(self, slot: SlotFile) -> bool:
        """Have the slot hold its file; False when the object has come in the meantime, and is linked, or is put aside."""
        with self._lock:
            self._unclaimed -= 1
        if not slot.hold():
            self.aside.append((slot.item, slot.identity))
            return False
        with self._lock:
            self._open.add(slot)
        # Its last owner may have completed it just before the claim.
        if slot.item.pinned and self._came(slot.item, slot.identity):
            slot.discard()
            return False
        if slot.resumed:
            slot.read_journal()
            self._report.here(0, slot.resumed_bytes)
            self._needs_no_room(slot.identity, slot.resumed_bytes)
        return True

    def is_here(self, identity: str) -> bool:
        """Whether an object that somebody else was bringing has come."""
        return os.access(self._layout.object(identity), os.F_OK)

    def may_claim(self, identity: str) -> bool:
        """Whether an object that somebody else was bringing may be claimed: its process died, or it has just come."""
        return is_free(self._layout.partial(identity))

    def arrived(self, slot: SlotFile, size_bytes: int) -> None:
        """Bytes came into a slot."""
        if size_bytes:
            if slot.item.size_bytes >= 0:
                with self._lock:
                    self._unallocated_bytes -= size_bytes
            self._report.arrived(size_bytes)

    def whole(self, slot: SlotFile, size_bytes: int, digest: str, *, compared: bool) -> None:
        """Give a complete file its names: first in the tree, so that it is never without a tree, then as an object."""
        item = slot.item
        if not self._directory.link(slot.path, path_in_tree(item.path)):
            raise Bug(f"the file of {item.key!r} was removed from {slot.path} while it was fetched")
        os.rename(slot.path, self._layout.object(slot.identity))
        seconds = time.monotonic() - slot.seconds_at_start
        self._record.add(item, slot.identity, size_bytes, digest=digest, seconds=seconds)
        with self._lock:
            self._count(item, size_bytes, check_of(item, digest if compared else ""))
            self.fetched_objects += 1
            self.fetched_bytes += size_bytes
        self._promise.fill(size_bytes)
        self._report.whole(item)

    def let_go(self, slot: SlotFile) -> None:
        """A slot is closed."""
        with self._lock:
            self._open.discard(slot)

    def check_filled(self) -> None:
        """Raise Bug when slots were taken and not filled."""
        with self._lock:
            left = next(iter(self._open), None)
            unclaimed = self._unclaimed
        if unclaimed:
            raise Bug(f"the fetch ended before it had claimed {unclaimed} of the slots that it took")
        if left is not None:
            raise Bug(f"the fetch ended before {left.item.key!r} was whole")

    def finish(self) -> About:
        """Nothing more comes: complete the directory `root` with what is known of it."""
        about = About(self.location, self.objects, self.size_bytes, self._nameless, self._verified)
        self._record.finish()
        write_about(self.root, about)
        return about

    def undo(self) -> None:
        """Stop, and leave nothing behind: neither partial objects nor whole ones that only this tree brought."""
        for slot in list(self._open):
            slot.discard()
        shutil.rmtree(files_of(self.root), ignore_errors=True)
        self._room.take_back(self._record.fetched())

    def end(self) -> None:
        """Let go of everything. Whole objects stay, and large ones can be continued; a tree that has not moved is removed."""
        for slot in list(self._open):
            slot.abandon()
        shutil.rmtree(files_of(self.root), ignore_errors=True)
        self._room.give_back(self._promise)
        self._handles.close()

    def _came(self, item: Item, identity: str) -> bool:
        """Whether the object is here now and linked."""
        size_bytes = self._link(item, identity)
        if size_bytes < 0:
            return False
        self._report.here(1, size_bytes)
        self._promise.give_back(max(item.size_bytes, 0))
        self._needs_no_room(identity, max(item.size_bytes, 0))
        return True

    def _needs_no_room(self, identity: str, here_bytes: int) -> None:
        """So much of an object is on the disk, whatever it was when room was made for it."""
        with self._lock:
            self._unallocated_bytes -= here_bytes - self._allocated_before.pop(identity, 0)

    def _link(self, item: Item, identity: str) -> int:
        """Link an object that is here; returns its size, -1 when it is not here."""
        path = self._layout.object(identity)
        # Asked first: most often it is not, and a link that fails costs more than the question.
        if not (os.access(path, os.F_OK) and self._directory.link(path, path_in_tree(item.path))):
            return -1
        size_bytes = item.size_bytes if item.size_bytes >= 0 else self._directory.size_of(path_in_tree(item.path))
        self._record.add(item, identity, size_bytes)
        with self._lock:
            self._count(item, size_bytes, check_of(item))
        return size_bytes

    def _count(self, item: Item, size_bytes: int, check: str) -> None:
        self._verified[check] += 1
        self.objects += 1
        self.size_bytes += size_bytes
        self._nameless = self._nameless or not item.path

    def _allocated(self, identity: str) -> int:
        try:
            return os.stat(self._layout.partial(identity)).st_blocks * 512
        except FileNotFoundError:
            return 0
