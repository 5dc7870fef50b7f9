"""
How much the cache holds, and how it is kept within its limit.

The file ``usage`` has the bytes of all objects, with those that are promised to growing trees, as one number that everybody
changes under its lock: nothing is counted at each run. Where it may be wrong (it is missing, or a process died with a promise)
it is emptied, and the next who needs room counts. Before anything is evicted it is counted anew, too, at most once a minute.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from gadus.claim import sweep
from gadus.core.errors import DiskFull
from gadus.core.units import format_bytes

from . import evict
from .evict import Removed
from .layout import Layout

SPARED_BYTES = 64 << 20
"""The disk is shared with the system: the last of it is not ours."""
_DEFAULT_SHARE = 0.8
_COUNTED_AGAIN_SECONDS = 60.0
_SHOWN_AGAIN_BYTES = 64 << 20
_PROMISE = "promised"


class Promise:
    """
    The bytes that one growing tree may still fill with objects; others read them from its file.

    Safe for use by several threads.
    """

    def __init__(self, place: Path) -> None:
        self._handle = os.open(place / _PROMISE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.number = os.fstat(self._handle).st_ino
        self.size_bytes = 0
        self.others_went_on = True
        """Whether other trees grew when room was last asked for."""
        self._returned_bytes = 0
        self._shown_bytes = 0
        self._leaving = False
        self._lock = threading.Lock()
        self.show()

    def add(self, size_bytes: int) -> None:
        """So much more is promised."""
        with self._lock:
            self.size_bytes += size_bytes

    def fill(self, size_bytes: int) -> None:
        """An object of that size is whole."""
        with self._lock:
            self.size_bytes -= size_bytes
            # At its end, and often enough that a count is not far off.
            if self.size_bytes == 0 or self._shown_bytes - self.size_bytes > _SHOWN_AGAIN_BYTES:
                self._show()

    def give_back(self, size_bytes: int) -> None:
        """So much of it is not needed after all."""
        with self._lock:
            self.size_bytes -= size_bytes
            self._returned_bytes += size_bytes

    def returned(self) -> int:
        """What was given back since this was last asked."""
        with self._lock:
            returned_bytes, self._returned_bytes = self._returned_bytes, 0
            return returned_bytes

    def show(self) -> None:
        """Let others see what it is now."""
        with self._lock:
            self._show()

    def leave(self) -> None:
        """Let others see that the tree is being given up."""
        with self._lock:
            self._leaving = True
            self._show()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)

    def _show(self) -> None:
        os.pwrite(self._handle, b"%20d %d" % (self.size_bytes, self._leaving), 0)
        self._shown_bytes = self.size_bytes


class Room:
    """The room of one cache directory: all processes agree on it by its files."""

    def __init__(self, layout: Layout, limit_bytes: int | None) -> None:
        self._layout = layout
        self._limit_bytes = limit_bytes
        self._counted_at: float | None = None

    def doubt(self) -> None:
        """The number may be wrong."""
        with self._usage() as usage:
            usage.write(None)

    def state(self) -> tuple[int, int]:
        """The bytes that are held or promised, and the bytes that may be."""
        with self._usage() as usage:
            used = self._known(usage)
        return used, self._limit(used)

    def reserve(
        self, promise: Promise, needed_bytes: int, *, disk_bytes: int, whole_bytes: int, wanted: AbstractSet[str]
    ) -> bool:
        """
        Promise `needed_bytes` more to a growing tree; what is least used is removed for it.

        `disk_bytes` is what the disk must have free for everything that was promised to that tree, `whole_bytes` all that the
        tree is known to consist of, `wanted` the partial objects that it goes on with. False when trees that grow now may
        give some of their promise back: ask again later. Raises DiskFull.
        """
        with self._usage() as usage:
            promise.show()
            # A count knows nothing of what was given back: it is taken off before.
            usage.change(-promise.returned())
            used = self._known(usage)
            if not self._fits(used + needed_bytes, disk_bytes):
                if whole_bytes > self._limit(used):
                    # Whatever is removed: in vain.
                    raise self._full(promise, used, needed_bytes, whole_bytes)
                used = self._counted_lately(usage, used)
                used = self._make_room(usage, used, needed_bytes, disk_bytes, wanted)
            if not self._fits(used + needed_bytes, disk_bytes):
                others_went_on, promise.others_went_on = promise.others_went_on, self._others_go_on(promise)
                # What they brought last may be just what is needed here: it is looked for once more.
                if others_went_on or promise.others_went_on:
                    return False
                # An object that arrives during a count is counted twice; now nothing arrives.
                used = self._count(usage)
                if not self._fits(used + needed_bytes, disk_bytes):
                    raise self._full(promise, used, needed_bytes, whole_bytes)
            promise.others_went_on = True
            promise.add(needed_bytes)
            promise.show()
            usage.write(used + needed_bytes)
            return True

    def give_back(self, promise: Promise) -> None:
        """The tree has stopped growing: what it did not fill is free again."""
        with self._usage() as usage:
            promise.give_back(promise.size_bytes)
            usage.change(-promise.returned())
            promise.show()

    def take_back(self, identities: Iterable[str]) -> None:
        """Remove those of the objects that no tree holds."""
        with self._usage() as usage:
            for identity in identities:
                for removed in evict.remove_if_orphan(self._layout.object(identity)):
                    usage.change(-removed.size_bytes)

    def remove(self, doomed: Iterable[Removed]) -> Iterator[Removed]:
        """Go through removals, and count what they free."""
        for removed in doomed:
            if removed.kind == "object":
                with self._usage() as usage:
                    usage.change(-removed.size_bytes)
            yield removed

    def _make_room(self, usage: _Usage, used: int, needed_bytes: int, disk_bytes: int, wanted: AbstractSet[str]) -> int:
        """Remove until it fits or nothing is left to be removed; returns what is used then."""
        removals = evict.least_used_first(self._layout, wanted)
        with closing(removals):
            while not self._fits(used + needed_bytes, disk_bytes):
                removed = next(removals, None)
                if removed is None:
                    break
                if removed.kind == "object":
                    used -= removed.size_bytes
                    usage.write(used)
        return used

    def _fits(self, used: int, disk_bytes: int) -> bool:
        return used <= self._limit(used) and disk_bytes + SPARED_BYTES <= self._free()

    def _limit(self, used: int) -> int:
        if self._limit_bytes is not None:
            return self._limit_bytes
        return int(_DEFAULT_SHARE * (self._free() + used))

    def _free(self) -> int:
        return shutil.disk_usage(self._layout.root).free

    def _known(self, usage: _Usage) -> int:
        used = usage.read()
        return self._count(usage) if used is None else used

    def _counted_lately(self, usage: _Usage, used: int) -> int:
        now = time.monotonic()
        fresh = self._counted_at is not None and now - self._counted_at < _COUNTED_AGAIN_SECONDS
        return used if fresh else self._count(usage)

    def _count(self, usage: _Usage) -> int:
        """Count all objects and all promises of the living, and write it down."""
        sweep(self._layout.partials)
        used = sum(size_bytes for size_bytes, _ in self._promises().values())
        for shelf in self._layout.shelves():
            for entry in os.scandir(shelf):
                with suppress(FileNotFoundError):
                    used += entry.stat(follow_symlinks=False).st_size
        usage.write(used)
        self._counted_at = time.monotonic()
        return used

    def _promises(self) -> dict[int, tuple[int, bool]]:
        """Each promise with whether its tree is being given up, by the number of its file."""
        promises = {}
        for path in self._layout.partials.glob(f"*/{_PROMISE}"):
            with suppress(FileNotFoundError):
                size_bytes, _, leaving = path.read_text().strip().partition(" ")
                promises[path.stat().st_ino] = int(size_bytes or 0), leaving == "1"
        return promises

    def _others_go_on(self, promise: Promise) -> bool:
        """
        Whether objects of another tree are on their way, which this one may want, too, or another tree is being given up.

        Trees that only wait for each other's room have nothing on its way: one is refused, so that the others go on.
        """
        sweep(self._layout.partials)
        others = self._promises()
        others.pop(promise.number, None)
        return any(size_bytes > 0 or leaving for size_bytes, leaving in others.values())

    def _full(self, promise: Promise, used: int, needed_bytes: int, whole_bytes: int) -> DiskFull:
        promise.leave()
        limit = self._limit(used)
        by_others = max(0, used + needed_bytes - whole_bytes)
        if used + needed_bytes > limit or whole_bytes > limit:
            return DiskFull(
                f"this input needs {format_bytes(whole_bytes)}; the cache may hold {format_bytes(limit)}, of which "
                f"{format_bytes(by_others)} are in use by others",
                hint="wait until other jobs end, name fewer objects, or set GADUS_CACHE_LIMIT to a larger size",
            )
        return full_disk(self._layout.root, whole_bytes)

    @contextmanager
    def _usage(self) -> Iterator[_Usage]:
        handle = os.open(self._layout.root / "usage", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield _Usage(handle)
        finally:
            os.close(handle)


class _Usage:
    """The number in the file, for who has its lock."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def read(self) -> int | None:
        """None when it is not known."""
        text = os.pread(self._handle, 40, 0).strip()
        return int(text) if text.lstrip(b"-").isdigit() else None

    def change(self, by_bytes: int) -> None:
        """Add to the number, when it is known."""
        used = self.read()
        if used is not None and by_bytes:
            self.write(used + by_bytes)

    def write(self, used: int | None) -> None:
        """One write of always the same length: a kill leaves the old number or the new one."""
        os.pwrite(self._handle, b"%20d" % max(0, used) if used is not None else b"%20s" % b"?", 0)


def full_disk(root: Path, needed_bytes: int) -> DiskFull:
    """The error for an input of `needed_bytes` when the disk itself has no room."""
    return DiskFull(
        f"this input needs {format_bytes(needed_bytes)}, and the disk of {root} has "
        f"{format_bytes(shutil.disk_usage(root).free)} free, {format_bytes(SPARED_BYTES)} of which stay so",
        hint="free disk space (`gadus cache prune --all` removes inputs that nobody uses), or choose another data directory "
        "with --data-dir",
    )
