"""What is removed when room is needed, and in which order; never anything that somebody uses."""

# ruff: noqa: PTH108 - for each of many objects: a Path costs more than the call that uses it

from __future__ import annotations

import fcntl
import heapq
import os
import secrets
import shutil
import time
from collections.abc import Generator, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from gadus.claim import claimed

from . import leases
from .layout import Layout, files_of, record_of
from .record import lines_of

PARTIALS_KEPT_SECONDS = 7 * 86400.0
"""Who has not come back for the rest of an object by then does not come."""
_ORPHANS_AT_ONCE = 50_000
_IDENTITY_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing is gone. Only objects count for the limit: a tree is names of objects, a partial object is not in the cache."""

    kind: Literal["tree", "object", "partial"]
    size_bytes: int


def least_used_first(layout: Layout, wanted: AbstractSet[str] = frozenset()) -> Generator[Removed, None, None]:
    """
    Remove one thing after the other, until the caller has enough: trees that nobody leases, least recently used first, each
    with the objects that only it held; then objects of no tree; then partial objects but those `wanted`.
    """
    for name in trees_by_use(layout):
        yield from remove_tree(layout, name)
    yield from remove_orphans(layout)
    yield from remove_partials(layout, wanted)


def trees_by_use(layout: Layout) -> list[str]:
    """The names of all trees, least recently used first."""
    found = []
    for name in layout.tree_names():
        try:
            used_at = layout.lock(name).stat().st_mtime
        except FileNotFoundError:
            used_at = 0.0
        found.append((used_at, name))
    return [name for _, name in sorted(found)]


def remove_tree(layout: Layout, name: str) -> Iterator[Removed]:
    """Remove a tree, then the objects that no other tree holds; nothing when it is leased."""
    with claimed(layout.partials / secrets.token_hex(8)) as place:
        doomed = place / "whole"
        with leases.alone(layout.lock(name)) as free:
            if not free:
                return
            # The mark first: it must not be there for another tree of that name.
            layout.durable_mark(name).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                layout.tree(name).rename(doomed)
            layout.lock(name).unlink()
        if not doomed.exists():
            return
        shutil.rmtree(files_of(doomed), ignore_errors=True)
        yield Removed("tree", 0)
        # Without a record its objects are orphans, and found as such.
        if record_of(doomed).exists():
            for line in lines_of(record_of(doomed)):
                yield from remove_if_orphan(layout.object(line["object"]))


def remove_orphans(layout: Layout) -> Iterator[Removed]:
    """Remove the objects that no tree holds, those first that have been so for longest."""
    while True:
        oldest = heapq.nsmallest(_ORPHANS_AT_ONCE, _orphans(layout))
        for _, path in oldest:
            yield from remove_if_orphan(path)
        if len(oldest) < _ORPHANS_AT_ONCE:
            return


def remove_if_orphan(path: str) -> Iterator[Removed]:
    """Remove an object if no tree holds it."""
    # A tree that links it at this very moment keeps the bytes; only the next tree would fetch them again.
    with suppress(FileNotFoundError):
        file = os.lstat(path)
        if file.st_nlink == 1:
            os.unlink(path)
            yield Removed("object", file.st_size)


def remove_partials(
    layout: Layout, wanted: AbstractSet[str] = frozenset(), *, unused_seconds: float = 0.0
) -> Iterator[Removed]:
    """Remove partial objects that nobody works on, but those `wanted`, oldest first, with their journals."""
    before = time.time() - unused_seconds
    found = []
    for entry in os.scandir(layout.partials):
        if len(entry.name) == _IDENTITY_DIGITS and entry.name not in wanted:
            with suppress(FileNotFoundError):
                found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    for changed_at, identity in sorted(found):
        if changed_at <= before:
            yield from remove_partial(layout, identity)


def remove_useless_partials(layout: Layout) -> None:
    """Remove the partial objects that no later run continues: those without a journal, and those of last week."""
    names = frozenset(entry.name for entry in os.scandir(layout.partials))
    continued = {name.removesuffix(".parts") for name in names if name.endswith(".parts")}
    for identity in continued - names:
        # Its object was completed by a process that died then.
        with suppress(FileNotFoundError):
            os.unlink(layout.journal(identity))
    for _ in remove_partials(layout, continued):
        pass
    if continued:
        for _ in remove_partials(layout, unused_seconds=PARTIALS_KEPT_SECONDS):
            pass


def remove_partial(layout: Layout, identity: str) -> Iterator[Removed]:
    """Remove one partial object and its journal, unless somebody works on it."""
    path = layout.partial(identity)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file = os.fstat(handle)
        # Else it was completed or removed in between, and the name may be somebody else's now.
        if os.path.samestat(os.lstat(path), file):
            with suppress(FileNotFoundError):
                os.unlink(layout.journal(identity))
            os.unlink(path)
            yield Removed("partial", file.st_blocks * 512)
    except (BlockingIOError, FileNotFoundError):
        return
    finally:
        os.close(handle)


def _orphans(layout: Layout) -> Iterator[tuple[float, str]]:
    for shelf in layout.shelves():
        for entry in os.scandir(shelf):
            with suppress(FileNotFoundError):
                file = entry.stat(follow_symlinks=False)
                if file.st_nlink == 1:
                    yield file.st_ctime, entry.path
