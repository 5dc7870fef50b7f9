"""
The exact objects of one input, made once per job and pinned: what is fetched is what was listed.

A manifest is a text, one JSON value a line: first the location and the version of this form, then an array for each object
and a string for each directory. Its name, the digest, is the SHA-256 of the text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_FORM = 1
_encode = json.JSONEncoder(separators=(",", ":")).encode
quoted = json.encoder.encode_basestring_ascii
"""A text as a JSON string: the fast part of the encoder, for one line of many."""


@dataclass(frozen=True, slots=True)
class Item:
    """
    One object of an input.

    `key` is the service's own name, byte for byte; `path` is relative, '/'-separated and safe, and "" for the only object of
    an input that is a file itself. `size_bytes` is -1 when the service does not say it. `sha256` is lower-case hex and only
    set when the author pinned it; `checksum` is what the service says of the whole object, as ``algorithm:hex``.
    """

    key: str
    path: str
    size_bytes: int
    etag: str = ""
    version_id: str = ""
    sha256: str = ""
    checksum: str = ""

    @property
    def pinned(self) -> bool:
        """Whether something says which bytes these are: without it the same name may stand for other bytes tomorrow."""
        return bool(self.etag or self.version_id or self.sha256)

    def identity(self, location: str) -> str:
        """A name for exactly these bytes at `location`, as 64 hex digits. Only for a pinned item."""
        # The array that JSON would make of them, in a fraction of the time.
        texts = map(quoted, (self.etag, self.version_id, self.sha256))
        text = f"[{quoted(location)},{quoted(self.key)},{self.size_bytes},{','.join(texts)}]"
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Writing:
    """A manifest while its objects become known: counted, and named by what was written so far."""

    location: str = ""
    objects: int = 0
    size_bytes: int = 0
    pinned: bool = True
    first: tuple[Item, ...] = ()
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    KEPT_FIRST = 20

    @property
    def digest(self) -> str:
        """The name of what was added so far, as 64 hex digits."""
        return self._hash.hexdigest()

    def add(self, location: str, items: Sequence[Item], directories: Iterable[str] = ()) -> bytes:
        """Count some more of the input; returns the lines to write."""
        head = "" if self.location else _encode([_FORM, location]) + "\n"
        self.location = location
        self.objects += len(items)
        self.size_bytes += sum(max(item.size_bytes, 0) for item in items)
        self.pinned = self.pinned and all(item.pinned for item in items)
        if len(self.first) < self.KEPT_FIRST:
            self.first += tuple(items[: self.KEPT_FIRST - len(self.first)])
        lines = [line_of(item) for item in items] + [_encode(directory) for directory in directories]
        text = (head + "".join(line + "\n" for line in lines)).encode()
        self._hash.update(text)
        return text


def line_of(item: Item) -> str:
    """The item as a line of a manifest; what is empty at its end is left out."""
    further = [item.etag, item.version_id, item.sha256, item.checksum]
    while further and not further[-1]:
        further.pop()
    return f"[{','.join([quoted(item.key), quoted(item.path), str(item.size_bytes), *map(quoted, further)])}]"


def location_in(first_line: str | bytes) -> str:
    """The location that a manifest's first line names. Raises ValueError when it is of another form."""
    form, location = json.loads(first_line)
    if form != _FORM:
        raise ValueError(f"a manifest of form {form}; this version knows {_FORM}")
    return str(location)


def parsed(lines: Iterable[str | bytes]) -> tuple[list[Item], list[str]]:
    """The objects and directories in the lines after the first."""
    items = []
    directories = []
    for line in lines:
        value = json.loads(line)
        if isinstance(value, str):
            directories.append(value)
        else:
            items.append(Item(*value))
    return items, directories
