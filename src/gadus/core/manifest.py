"""The exact objects of one input, made once per job and pinned: what is fetched is what was listed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Item:
    """
    One object of an input.

    `key` is the service's own name, byte for byte; `path` is relative, '/'-separated and safe.
    `sha256` is lower-case hex and only set when the author pinned it.
    """

    key: str
    path: str
    size_bytes: int
    etag: str = ""
    version_id: str = ""
    sha256: str = ""

    def identity(self, location: str) -> str:
        """
        A name for exactly these bytes at `location`, as 64 hex digits; "" when nothing pins them.

        Without an ETag, a version or a digest, the same name may stand for other bytes tomorrow.
        """
        if not (self.etag or self.version_id or self.sha256):
            return ""
        return digest_of([location, self.key, str(self.size_bytes), self.etag, self.version_id, self.sha256])


@dataclass(frozen=True)
class Manifest:
    """
    Everything one input consists of.

    `location` names the place the keys belong to, without secrets, e.g. ``s3://bucket@https://host``.
    `directories` are the empty directories to make, as paths relative to the target.
    """

    location: str
    items: tuple[Item, ...]
    directories: tuple[str, ...] = field(default=())

    @cached_property
    def size_bytes(self) -> int:
        return sum(item.size_bytes for item in self.items)

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """The identity of each item, in their order."""
        return tuple(item.identity(self.location) for item in self.items)

    @cached_property
    def pinned(self) -> bool:
        """Whether every item has an identity, so that bytes on disk may stand for it later."""
        return all(self.identities)

    @cached_property
    def digest(self) -> str:
        """The name of the whole tree as 64 hex digits: the same objects at the same paths give the same digest."""
        lines = [f"{identity} {item.path}" for identity, item in zip(self.identities, self.items, strict=True)]
        return digest_of([self.location, *sorted(lines), "/", *sorted(self.directories)])


def digest_of(parts: Iterable[str]) -> str:
    """SHA-256 over length-prefixed parts as hex, so that no two lists of parts run together."""
    # Keys come from a service: surrogateescape keeps even broken UTF-8 distinct.
    encoded = [part.encode("utf-8", "surrogateescape") for part in parts]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in encoded)).hexdigest()
