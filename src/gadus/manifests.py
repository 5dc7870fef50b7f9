"""
The manifests of this data directory, each kept once for however many jobs it has.

    <data>/manifests/<ab>/<digest>      the text, see `core.manifest`; its name is its SHA-256
    <data>/manifests/last/<asked>       the digest that the same params gave the last time
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from gadus.core.job import Pin
from gadus.core.manifest import Item, Writing, location_in, parsed

from .contracts import Found

_BATCH = 1000
_SMALL_BYTES = 1 << 16


class Draft:
    """A manifest while its objects become known: in memory as long as it is small, then in a file."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._file: BinaryIO = BytesIO()
        self._writing = Writing()

    def add(self, found: Found) -> None:
        """Some more of the input."""
        self._file.write(self._writing.add(found.location, found.items, found.directories))
        if isinstance(self._file, BytesIO) and self._file.tell() > _SMALL_BYTES:
            self._put_into_a_file()

    def read(self) -> Iterator[Found]:
        """What was added so far, from its beginning."""
        self._file.flush()
        early = self._file.getvalue() if isinstance(self._file, BytesIO) else None
        return _batches(lambda: self._path.open("rb") if early is None else BytesIO(early))

    def close(self) -> None:
        """Forget what was not kept."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _put_into_a_file(self) -> None:
        if isinstance(self._file, BytesIO):
            early = self._file.getvalue()
            self._file = self._path.open("xb")
            self._file.write(early)

    def keep(self, target: str) -> Pin:
        """Keep the manifest as it is now: what the input for `target` is. On the disk when this returns."""
        writing = self._writing
        kept = _path(self._root, writing.digest)
        if not kept.exists():
            self._put_into_a_file()
            self._file.flush()
            # A job is remembered for longer than a machine runs, and with it what its inputs were.
            os.fsync(self._file.fileno())
            kept.parent.mkdir(exist_ok=True, mode=0o700)
            self._path.rename(kept)
        return Pin(
            target=target,
            location=writing.location,
            digest=writing.digest,
            objects=writing.objects,
            size_bytes=writing.size_bytes,
            exact=writing.pinned,
            first=writing.first,
        )


class Manifests:
    """Keeps manifests in files. Several processes may use the same directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def drafting(self) -> Iterator[Draft]:
        """A new manifest; what is not kept when the block ends is forgotten."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._root / f"draft-{os.getpid()}-{secrets.token_hex(4)}"
        draft = Draft(path, self._root)
        try:
            yield draft
        finally:
            draft.close()

    def has(self, digest: str) -> bool:
        """Whether that manifest is here."""
        return _path(self._root, digest).exists()

    def read(self, digest: str) -> Iterator[Found]:
        """Everything in a manifest, in its order, a thousand objects at a time. Raises FileNotFoundError."""
        return _batches(lambda: _path(self._root, digest).open("rb"))

    def items(self, digest: str) -> Iterator[Item]:
        """Every object of a manifest. Raises FileNotFoundError."""
        return (item for found in self.read(digest) for item in found.items)

    def last(self, asked: Mapping[str, Any]) -> str:
        """The digest that `asked` gave the last time; "" when it is not known."""
        with suppress(FileNotFoundError):
            return self._last_path(asked).read_text()
        return ""

    def remember(self, asked: Mapping[str, Any], digest: str) -> None:
        """Remember what `asked` gives now."""
        if self.last(asked) == digest:
            return
        path = self._last_path(asked)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        fresh.write_text(digest)
        fresh.replace(path)

    def sweep(self) -> None:
        """Remove the drafts of processes that are gone."""
        for path in self._root.glob("draft-*"):
            pid = path.name.split("-")[1]
            if not Path("/proc", pid).exists():
                path.unlink(missing_ok=True)

    def _last_path(self, asked: Mapping[str, Any]) -> Path:
        return self._root / "last" / hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _path(root: Path, digest: str) -> Path:
    return root / digest[:2] / digest


def _batches(opened: Callable[[], BinaryIO]) -> Iterator[Found]:
    with opened() as file:
        head = file.readline()
        location = location_in(head) if head else ""
        while lines := list(islice(file, _BATCH)):
            yield Found(location, *parsed(lines))
