"""Whether the bytes of a tree are still those that came: checked against its record."""

# ruff: noqa: PTH108 - for each of many objects: a Path costs more than the call that uses it

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gadus.core import checksums

from . import evict
from .evict import Removed
from .layout import Layout, files_of, path_in_tree, read_about, record_of
from .leases import held_for_reading
from .record import lines_of

_READ_BYTES = 1 << 20
_DAMAGED_NAMED = 10


@dataclass(slots=True)
class Verified:
    """
    What came of checking one tree: `digests` of its objects were checked by a digest, the others by their size only.

    `damaged` are the first few paths of the `damaged_objects`.
    """

    name: str
    location: str
    objects: int = 0
    size_bytes: int = 0
    digests: int = 0
    damaged_objects: int = 0
    damaged: list[str] = field(default_factory=list)
    removed: bool = False


def verified(layout: Layout, name: str, *, thorough: bool) -> Verified | None:
    """
    The tree, checked; None when it is not here any more.

    Damaged objects lose their name in the cache, so that no other tree is made of them; the tree itself is left as it is.
    SHA-256 is computed where no faster digest is known, or in any case when `thorough`.
    """
    tree = layout.tree(name)
    lock = held_for_reading(layout.lock(name))
    if lock is None:
        return None
    try:
        about = read_about(tree)
        if about is None:
            return None
        verified = Verified(name, about.location)
        for line in lines_of(record_of(tree)):
            verified.objects += 1
            verified.size_bytes += line["bytes"]
            known = _digests_of(line, thorough=thorough)
            verified.digests += bool(known)
            path = f"{files_of(tree)}/{path_in_tree(line['path'])}"
            if not _is_right(path, line["bytes"], known):
                verified.damaged_objects += 1
                if len(verified.damaged) < _DAMAGED_NAMED:
                    verified.damaged.append(line["path"])
                _take_out(layout.object(line["object"]), path)
        return verified
    finally:
        os.close(lock)


def removed_damaged(layout: Layout, verified: Verified) -> Iterator[Removed]:
    """Remove a damaged tree, unless somebody uses it; what of it is right stays for the next."""
    for removed in evict.remove_tree(layout, verified.name):
        yield removed
        if removed.kind == "tree":
            verified.removed = True
            return


def _digests_of(line: dict[str, Any], *, thorough: bool) -> dict[str, str]:
    """The digests to check, in hex by algorithm."""
    algorithm, _, value = line.get("checksum", "").partition(":")
    known = {algorithm: value} if algorithm in checksums.ALGORITHMS else {}
    if "sha256" in line and (thorough or not known):
        known["sha256"] = line["sha256"]
    return known


def _is_right(path: str, size_bytes: int, known: dict[str, str]) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(handle, "rb", buffering=0) as file:
        if os.fstat(handle).st_size != size_bytes:
            return False
        sha256 = hashlib.sha256()
        crcs = {algorithm: 0 for algorithm in known if algorithm != "sha256"}
        buffer = memoryview(bytearray(min(_READ_BYTES, size_bytes) or 1))
        while known and (got := file.readinto(buffer)):
            crcs = {algorithm: checksums.update(algorithm, buffer[:got], crc) for algorithm, crc in crcs.items()}
            if "sha256" in known:
                sha256.update(buffer[:got])
    found = {algorithm: checksums.as_text(algorithm, crc).partition(":")[2] for algorithm, crc in crcs.items()}
    if "sha256" in known:
        found["sha256"] = sha256.hexdigest()
    return found == known


def _take_out(object_path: str, path: str) -> None:
    with suppress(FileNotFoundError):
        if not os.path.lexists(path) or os.path.samestat(os.lstat(object_path), os.lstat(path)):
            os.unlink(object_path)
