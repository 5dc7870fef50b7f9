"""
The node's store of inputs: bytes arrive once, and what is visible is whole.

    <data>/cache/objects/<ab>/<identity>    one object, read-only, named by where it came from, its version and its size
    <data>/cache/trees/<digest>/…           one manifest as a directory: hard links to objects
    <data>/cache/trees/<digest>.durable     the tree is known to be on the disk itself, not only in memory
    <data>/cache/partial/<random>/          a tree being made by a living process

An object or tree gets its final name by one rename, after it was checked; a process that is killed leaves only a partial
directory, which the next process removes. Nothing is synced before use. A power cut can therefore lose the content of what was
made since the last sync, so after a restart of the machine whatever is not marked durable is dropped and fetched again.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gadus.contracts import Arrivals, Wanted
from gadus.core.errors import DiskFull
from gadus.core.manifest import Item, Manifest
from gadus.core.units import format_bytes

from .claim import claimed, held, sweep
from .durability import drop_what_a_restart_may_have_torn, mark_what_is_durable

Fetch = Callable[[Sequence[Wanted], Arrivals], Awaitable[None]]

_POLL_SECONDS = 0.05
_SHELVES = tuple(f"{number:02x}" for number in range(256))
# The disk is shared with the system: the last of it is not ours.
_SPARED_BYTES = 64 << 20


@dataclass(slots=True)
class Staged:
    """An input that is on this machine: `path` is a directory, or a file for a manifest of one nameless item."""

    path: Path
    objects: int
    size_bytes: int
    fetched_objects: int = 0
    fetched_bytes: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 in hex by key, of the objects it was computed for as they arrived."""


class Cache:
    """Trees of objects, shared by all executions of this machine's data directory."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._trees = root / "trees"
        self._partial = root / "partial"
        for directory in (self._objects, self._trees, self._partial):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self._objects / _SHELVES[-1]).exists():
            for shelf in _SHELVES:
                (self._objects / shelf).mkdir(exist_ok=True, mode=0o700)
        sweep(self._partial)
        drop_what_a_restart_may_have_torn(root, self._trees, self._objects)
        mark_what_is_durable(self._trees)

    def cached_bytes(self, manifest: Manifest) -> int:
        """How many bytes of `manifest` need not be fetched."""
        if (self._trees / manifest.digest).exists():
            return manifest.size_bytes
        both = zip(manifest.items, manifest.identities, strict=True)
        return sum(item.size_bytes for item, identity in both if os.path.lexists(self._object(identity)))

    async def tree(self, manifest: Manifest, fetch: Fetch, arrivals: Arrivals) -> Staged:
        """
        The manifest as a directory that nobody writes to; only objects that are not here yet are fetched, once.

        Whoever asks for the same tree at the same time, also in another process, waits for the first and shares it.
        Raises DiskFull before anything is fetched when there is no room, and whatever `fetch` raises.
        """
        tree = self._trees / manifest.digest
        async with self._alone(manifest.digest):
            staged = Staged(_root_of(manifest, tree), len(manifest.items), manifest.size_bytes)
            if not tree.exists():
                with claimed(self._partial / secrets.token_hex(8)) as partial:
                    await self._make(manifest, partial / "tree", fetch, arrivals, staged)
                    (partial / "tree").rename(tree)
            return staged

    async def _make(self, manifest: Manifest, tree: Path, fetch: Fetch, arrivals: Arrivals, staged: Staged) -> None:
        """Build the tree at `tree`, nobody sees it yet: links to what is here, and the fetched files themselves."""
        missing: dict[Item, str] = {}
        with _Growing(tree, manifest.directories) as growing:
            for item, identity in zip(manifest.items, manifest.identities, strict=True):
                known = self._object(identity)
                if not growing.link(known, item.path or _NAMELESS):
                    missing[item] = known
        self._make_room(sum(item.size_bytes for item in missing))

        def keep(one: Wanted, sha256: str) -> None:
            # From here on a later run finds it, whatever happens to this one.
            _link(str(one.into), missing[one.item])
            staged.fetched_objects += 1
            staged.fetched_bytes += one.item.size_bytes
            if sha256:
                staged.digests[one.item.key] = sha256
            arrivals.whole(one, sha256)

        if missing:
            wanted = [Wanted(item, Path(f"{tree}/{item.path or _NAMELESS}")) for item in missing]
            with full_disk_named(self._objects, manifest.size_bytes):
                await fetch(wanted, _Keeping(arrivals, keep))

    def _make_room(self, needed_bytes: int) -> None:
        # Sizes of -1 are unknown ones: they are met by full_disk_named.
        free_bytes = shutil.disk_usage(self._objects).free
        if needed_bytes + _SPARED_BYTES > free_bytes:
            raise DiskFull(
                f"this input needs {format_bytes(needed_bytes)} and the disk of {self._objects} has "
                f"{format_bytes(free_bytes)} free",
                hint="free disk space, or choose another data directory with --data-dir",
            )

    def _object(self, identity: str) -> str:
        return f"{self._objects}/{identity[:2]}/{identity}"

    @asynccontextmanager
    async def _alone(self, digest: str) -> AsyncIterator[None]:
        """Hold the tree's own claim: polled, because a blocking lock could not be cancelled."""
        while True:
            with held(self._partial / f"tree-{digest}") as free:
                if free:
                    yield
                    return
            await asyncio.sleep(_POLL_SECONDS)


@contextmanager
def full_disk_named(directory: Path, needed_bytes: int) -> Iterator[None]:
    """Turn a full disk below `directory` into a DiskFull that says what was needed."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"the disk of {directory} is full: this input needs {format_bytes(needed_bytes)}",
            hint="free disk space, or choose another data directory with --data-dir",
        ) from exc


class _Keeping:
    """Arrivals of a fetch whose whole files are moved into the cache at once."""

    def __init__(self, arrivals: Arrivals, keep: Callable[[Wanted, str], None]) -> None:
        self._arrivals = arrivals
        self._keep = keep

    def received(self, size_bytes: int) -> None:
        self._arrivals.received(size_bytes)

    def whole(self, wanted: Wanted, sha256: str = "") -> None:
        self._keep(wanted, sha256)


class _Growing:
    """A directory that gets its subdirectories and links; every name goes through its own handle."""

    def __init__(self, root: Path, directories: Sequence[str]) -> None:
        root.mkdir(mode=0o755)
        self._handle = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._made = {""}
        for directory in directories:
            self._make(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def link(self, source: str, path: str) -> bool:
        """Give the file `source` the further name `path`; False when there is no such file, but then its directory is there."""
        self._make(path.rpartition("/")[0])
        try:
            os.link(source, path, dst_dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _make(self, directory: str) -> None:
        if directory in self._made:
            return
        self._make(directory.rpartition("/")[0])
        os.mkdir(directory, 0o755, dir_fd=self._handle)
        self._made.add(directory)


def _link(source: str, further_name: str) -> None:
    # Another tree with the same object may have come first; then there are two copies, and both are right.
    with suppress(FileExistsError):
        os.link(source, further_name, follow_symlinks=False)


_NAMELESS = "file"


def _root_of(manifest: Manifest, tree: Path) -> Path:
    """The tree, or its only file when the manifest says that the target itself is a file."""
    nameless = len(manifest.items) == 1 and not manifest.items[0].path
    return tree / _NAMELESS if nameless else tree
