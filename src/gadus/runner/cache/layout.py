"""Where each thing of the cache lies."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gadus.core.errors import Bug

_SHELVES = tuple(f"{number:02x}" for number in range(256))
_TREE_NAME = re.compile(r"[0-9A-Za-z_-]{1,200}")
# The only file of a tree that is a file itself.
_NAMELESS = "file"


@dataclass(frozen=True, slots=True)
class Tree:
    """
    The objects of one input as files that nobody writes to.

    `path` is a directory, or the file itself when the only object has the path "". `record` tells of each object, see
    `record.py`; `fetched_objects` and `fetched_bytes` are what this asking had to fetch, 0 for a tree that was here.
    `verified` is the number of objects by what they were checked against when they came, see `record.check_of`.
    """

    path: Path
    objects: int
    size_bytes: int
    fetched_objects: int
    fetched_bytes: int
    record: Path
    verified: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class About:
    """What is remembered of a whole tree, in its file ``tree.json``."""

    location: str
    objects: int
    size_bytes: int
    nameless: bool
    verified: Mapping[str, int]


class Layout:
    """The names below one cache directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.trees = root / "trees"
        self.partials = root / "partial"
        self._object_prefix = f"{self.objects}/"
        self._partial_prefix = f"{self.partials}/"

    def make(self) -> None:
        """Make the directories that are not there."""
        if (self.objects / _SHELVES[-1]).exists() and self.trees.exists() and self.partials.exists():
            return
        for directory in (self.objects, self.trees, self.partials):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for shelf in _SHELVES:
            (self.objects / shelf).mkdir(exist_ok=True, mode=0o700)

    def shelves(self) -> list[str]:
        """The directories of all objects."""
        return [self._object_prefix + shelf for shelf in _SHELVES]

    def object(self, identity: str) -> str:
        """One whole object, read-only."""
        return f"{self._object_prefix}{identity[:2]}/{identity}"

    def partial(self, identity: str) -> str:
        """An object that is being fetched, or was when its process died."""
        return self._partial_prefix + identity

    def journal(self, identity: str) -> str:
        """Which stretches of a large partial object are there."""
        return f"{self._partial_prefix}{identity}.parts"

    def tree(self, name: str) -> Path:
        """The directory of a whole tree and what is known of it. Raises Bug for a name that is none."""
        if not _TREE_NAME.fullmatch(name):
            raise Bug(f"{name!r} cannot be the name of a tree")
        return self.trees / name

    def lock(self, name: str) -> Path:
        """The file that leases of a tree are locks on; its time of change is the tree's last use."""
        return self.trees / f"{name}.lock"

    def durable_mark(self, name: str) -> Path:
        """There when the tree is known to be on the disk itself, not only in memory."""
        return self.trees / f"{name}.durable"

    def tree_names(self) -> list[str]:
        """Every tree that is whole."""
        return sorted(entry.name for entry in os.scandir(self.trees) if "." not in entry.name)


def files_of(tree: Path) -> Path:
    """Where the files of a tree begin."""
    return tree / "files"


def record_of(tree: Path) -> Path:
    """What is known of each object of a tree."""
    return tree / "objects.jsonl"


def path_in_tree(item_path: str) -> str:
    """The name of an object's file below `files_of`."""
    return item_path or _NAMELESS


def write_about(tree: Path, about: About) -> None:
    """Remember `about` with the tree."""
    (tree / "tree.json").write_text(
        json.dumps(
            {
                "location": about.location,
                "objects": about.objects,
                "bytes": about.size_bytes,
                "nameless": about.nameless,
                "verified": dict(about.verified),
            }
        )
    )


def read_about(tree: Path) -> About | None:
    """What is remembered of a tree; None when there is no such tree."""
    try:
        known = json.loads((tree / "tree.json").read_bytes())
    except FileNotFoundError:
        return None
    return About(known["location"], known["objects"], known["bytes"], known["nameless"], known["verified"])


def tree_at(tree: Path, about: About, *, fetched_objects: int = 0, fetched_bytes: int = 0) -> Tree:
    """The tree as its user sees it."""
    files = files_of(tree)
    return Tree(
        path=files / _NAMELESS if about.nameless else files,
        objects=about.objects,
        size_bytes=about.size_bytes,
        fetched_objects=fetched_objects,
        fetched_bytes=fetched_bytes,
        record=record_of(tree),
        verified=about.verified,
    )
