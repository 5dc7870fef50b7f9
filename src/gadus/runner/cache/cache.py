"""The cache of one data directory: its trees for the executions, and what the commands do with it."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gadus.claim import claimed, held, sweep
from gadus.contracts import Found
from gadus.core.errors import DiskFull
from gadus.core.manifest import Item
from gadus.runner.durability import drop_what_a_restart_may_have_torn, mark_what_is_durable
from gadus.threads import finished

from . import evict
from .filling import Fetch, fill
from .growing import Growing, Report
from .layout import Layout, Tree, read_about, tree_at
from .leases import lease, leased, made_lease
from .room import Room, full_disk
from .verify import Verified, removed_damaged, verified

_POLL_SECONDS = 0.05
_SINGLE_FLIGHT = "tree-"


@dataclass(frozen=True, slots=True)
class Listed:
    """A tree of the cache; `last_used` in Unix seconds."""

    name: str
    location: str
    objects: int
    size_bytes: int
    last_used: float
    in_use: bool


@dataclass(slots=True)
class Pruned:
    """What was removed."""

    trees: int = 0
    objects: int = 0
    partials: int = 0
    size_bytes: int = 0

    def add(self, removed: evict.Removed) -> None:
        """Count one thing."""
        match removed.kind:
            case "tree":
                self.trees += 1
            case "object":
                self.objects += 1
            case "partial":
                self.partials += 1
        self.size_bytes += removed.size_bytes


class Cache:
    """Trees of objects, shared by all executions of this machine's data directory, in any number of processes."""

    def __init__(self, root: Path, *, limit_bytes: int | None = None) -> None:
        """`limit_bytes` is for all objects together; by default four fifths of what the disk would have free without them."""
        self._layout = Layout(root)
        self._room = Room(self._layout, limit_bytes)
        self._layout.make()
        if drop_what_a_restart_may_have_torn(root) | self._sweep():
            self._room.doubt()
        self.mark_what_is_durable()

    def mark_what_is_durable(self) -> None:
        """Note, in the background, which trees a crash of the machine cannot harm any more; one drops all others."""
        mark_what_is_durable(self._layout.trees)

    async def tree(self, name: str, leases: ExitStack) -> Tree | None:
        """The tree `name` if it is here, leased until `leases` is closed; the same work for any number of objects."""
        path = self._layout.tree(name)
        lock = await lease(self._layout.lock(name))
        if lock is None:
            return None
        about = read_about(path)
        if about is None:
            os.close(lock)
            return None
        leases.callback(os.close, lock)
        return tree_at(path, about)

    def has(self, name: str) -> bool:
        """Whether the tree `name` is here now."""
        return self._layout.tree(name).exists()

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Hold off whoever else, also in another process, asks for this for the same tree; they wait."""
        while True:
            # Polled, because a lock that is waited for could not be cancelled.
            with held(self._layout.partials / f"{_SINGLE_FLIGHT}{name}") as free:
                if free:
                    yield
                    return
            await asyncio.sleep(_POLL_SECONDS)

    async def grow(
        self, found: AsyncIterator[Found], *, name: Callable[[], str], fetch: Fetch, report: Report, leases: ExitStack
    ) -> Tree:
        """
        The tree of all that `found` brings, leased until `leases` is closed; `name` is asked when `found` has ended.

        Objects that are here are linked, the others fetched, each once among all who want it now, while `found` goes on.
        Objects that nothing pins are fetched anew for every tree; give such a tree a name of its own.
        Raises DiskFull, as early as sizes are known, and leaves nothing then; whatever `found` and `fetch` raise, and then
        what was whole stays for the next time, as does what came of large objects.
        """
        with claimed(self._layout.partials / secrets.token_hex(8)) as place:
            growing: Growing | None = None
            try:
                growing = await finished(Growing, self._layout, self._room, place, report)
                await fill(growing, found, fetch)
                return await self._publish(growing, name(), leases)
            except OSError as exc:
                if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                error = full_disk(self._layout.root, growing.known_bytes if growing else 0)
                if growing is not None:
                    await finished(growing.undo)
                raise error from exc
            except DiskFull:
                if growing is not None:
                    await finished(growing.undo)
                raise
            finally:
                if growing is not None:
                    await finished(growing.end)

    def cached_bytes(self, location: str, items: Iterable[Item]) -> int:
        """How many bytes of these objects need not be fetched."""
        return sum(
            max(item.size_bytes, 0)
            for item in items
            if item.pinned and os.path.lexists(self._layout.object(item.identity(location)))
        )

    def list(self) -> list[Listed]:
        """Every tree, last used first."""
        found = []
        for name in self._layout.tree_names():
            about = read_about(self._layout.tree(name))
            lock = self._layout.lock(name)
            if about is not None and lock.exists():
                used_at = lock.stat().st_mtime
                found.append(Listed(name, about.location, about.objects, about.size_bytes, used_at, leased(lock)))
        return sorted(found, key=lambda one: -one.last_used)

    def state(self) -> tuple[int, int]:
        """The bytes that the cache holds (each object counted once), and the bytes that it may hold."""
        return self._room.state()

    def verify(self, *, thorough: bool = False) -> Iterator[Verified]:
        """
        Check every tree against its record, one after the other; a damaged one is removed, unless it is in use.

        The size, and the CRC where it is known; SHA-256 where there is no CRC or when `thorough`.
        """
        for name in self._layout.tree_names():
            checked = verified(self._layout, name, thorough=thorough)
            if checked is None:
                continue
            if checked.damaged_objects:
                for _ in self._room.remove(removed_damaged(self._layout, checked)):
                    pass
                # Objects without a name are not counted any more.
                self._room.doubt()
            yield checked

    def prune(self, to_bytes: int | None = None) -> Pruned:
        """
        Remove trees that are not in use, least recently used first, until at most `to_bytes` are held, the limit by default.

        Objects of no tree go in any case, and partial objects that are a week old; with 0, all partial ones.
        """
        allowed_bytes = self.state()[1] if to_bytes is None else to_bytes
        pruned = Pruned()
        self._remove(evict.remove_orphans(self._layout), pruned)
        kept_seconds = evict.PARTIALS_KEPT_SECONDS if allowed_bytes else 0.0
        self._remove(evict.remove_partials(self._layout, unused_seconds=kept_seconds), pruned)
        for name in evict.trees_by_use(self._layout):
            if allowed_bytes and self.state()[0] <= allowed_bytes:
                break
            self._remove(evict.remove_tree(self._layout, name), pruned)
        return pruned

    async def _publish(self, growing: Growing, name: str, leases: ExitStack) -> Tree:
        """Show the tree, whole, under its name."""
        path = self._layout.tree(name)
        about = await finished(growing.finish)
        # Before anybody can see it: so nobody can remove it.
        leases.callback(os.close, await made_lease(self._layout.lock(name)))
        try:
            growing.root.rename(path)
        except OSError as exc:
            if exc.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            # Another was quicker, and its tree is the same.
            about = read_about(path) or about
        return tree_at(path, about, fetched_objects=growing.fetched_objects, fetched_bytes=growing.fetched_bytes)

    def _remove(self, doomed: Iterable[evict.Removed], pruned: Pruned) -> None:
        for removed in self._room.remove(doomed):
            pruned.add(removed)

    def clean_up(self) -> None:
        """Remove the trees that processes built which are gone by now, and count anew what these may have had promised."""
        if any(not name.startswith(_SINGLE_FLIGHT) for name in sweep(self._layout.partials)):
            self._room.doubt()

    def _sweep(self) -> bool:
        """Remove what dead processes left; whether one of them may have held a promise."""
        left = sweep(self._layout.partials)
        evict.remove_useless_partials(self._layout)
        return any(not name.startswith(_SINGLE_FLIGHT) for name in left)
