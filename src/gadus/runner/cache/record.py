"""
What is known of each object of a tree: one JSON object a line, in the order in which they came.

``key``, ``path``, ``bytes``; where known ``etag``, ``version_id``, ``sha256``, ``checksum``; ``object``, the name in the cache;
``came``, "fetched" (then also ``seconds``) or "cache". What is empty is left out.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gadus.core.manifest import Item, quoted

_BUFFERED_LINES = 500
_SHA256 = "sha256:"


def check_of(item: Item, digest: str = "") -> str:
    """
    What an object was checked against when it came, in words: the strongest thing.

    `digest` is what its bytes came to, when that was compared with what the service says. Of an object that was in the cache
    only what its name holds is known.
    """
    if item.sha256 or digest.startswith(_SHA256):
        return "SHA-256"
    if digest:
        return digest.partition(":")[0].upper()
    return "version" if item.version_id else "size and ETag" if item.etag else "size"


class Recording:
    """A record while its tree grows. Safe for use by several threads."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path = path
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def add(
        self,
        item: Item,
        identity: str,
        size_bytes: int,
        *,
        digest: str = "",
        seconds: float | None = None,
    ) -> None:
        """One more object is in the tree; it was fetched when it took `seconds`, and was in the cache otherwise."""
        text = f'{{"key":{quoted(item.key)},"path":{quoted(item.path)},"bytes":{size_bytes}'
        if item.etag:
            text += f',"etag":{quoted(item.etag)}'
        if item.version_id:
            text += f',"version_id":{quoted(item.version_id)}'
        if sha256 := item.sha256 or (digest.removeprefix(_SHA256) if digest.startswith(_SHA256) else ""):
            text += f',"sha256":{quoted(sha256)}'
        if checksum := item.checksum or ("" if digest.startswith(_SHA256) else digest):
            text += f',"checksum":{quoted(checksum)}'
        came = '"cache"' if seconds is None else f'"fetched","seconds":{seconds:.4f}'
        text += f',"object":"{identity}","came":{came}}}\n'
        with self._lock:
            self._lines.append(text)
            if len(self._lines) >= _BUFFERED_LINES:
                self._write()

    def finish(self) -> None:
        """Write what is left; from here on the record is read-only."""
        with self._lock:
            self._write()
        os.fchmod(self._handle, 0o444)

    def close(self) -> None:
        """Let go of the file, whatever is in it."""
        os.close(self._handle)

    def fetched(self) -> Iterator[str]:
        """The names in the cache of all objects that were fetched for this tree."""
        with self._lock:
            unwritten = list(self._lines)
        for line in lines_of(self._path):
            if line["came"] == "fetched":
                yield line["object"]
        for line in map(json.loads, unwritten):
            if line["came"] == "fetched":
                yield line["object"]

    def _write(self) -> None:
        """Write the lines that wait. When the disk is full, none is half written, and all go on waiting."""
        data = "".join(self._lines).encode()
        before = os.fstat(self._handle).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._handle, data[written:])
        except OSError:
            os.ftruncate(self._handle, before)
            raise
        self._lines.clear()


def lines_of(record: Path) -> Iterator[dict[str, Any]]:
    """Each line of a record."""
    with record.open("rb") as lines:
        for line in lines:
            yield json.loads(line)
