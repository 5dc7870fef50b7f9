"""
The digests that a `ChecksumManifest` gives: the text that ``sha256sum`` writes.

    5891b5b522d5df08…  data/a.csv          (two spaces, or a space and an asterisk)
    SHA256 (data/a.csv) = 5891b5b522d5…    (with ``--tag``, or from BSD)
"""

from __future__ import annotations

import re

from gadus.core.errors import InputUnreadable
from gadus.s3.bucket import Bucket

LARGEST_MANIFEST_BYTES = 256 << 20
_LINE = re.compile(
    r"(?P<escaped>\\?)(?:(?P<hex>[0-9A-Fa-f]{64}) [ *](?P<name>.+)|SHA256 \((?P<tagged>.+)\) = (?P<tag>[0-9A-Fa-f]{64}))"
)
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
_NAMED_IN_ERROR = 10


class Digests:
    """SHA-256 by name. Every object has one, or is remembered as missing."""

    def __init__(self, asked: str, key: str, by_name: dict[str, str]) -> None:
        self._asked = asked
        self._key = key
        self._by_name = by_name
        self._directory = key.rpartition("/")[0]
        self._missing: list[str] = []
        self._missing_number = 0

    def of(self, key: str, path: str) -> str:
        """
        The digest of an object in lower-case hex, "" when it has none.

        Names are looked up relative to the input's target, then to the manifest's own directory, then as whole keys.
        """
        near = key.removeprefix(f"{self._directory}/") if self._directory else key
        for name in (path, near, key):
            if digest := self._by_name.get(name, ""):
                return digest
        if key != self._key:
            self._missing_number += 1
            if len(self._missing) < _NAMED_IN_ERROR:
                self._missing.append(key)
        return ""

    def check_complete(self) -> None:
        """Raise InputUnreadable unless every object had a digest; the manifest itself needs none."""
        if self._missing_number:
            more = f" and {self._missing_number - len(self._missing)} more" if self._missing_number > len(self._missing) else ""
            raise InputUnreadable(
                f"ChecksumManifest {self._asked} has no digest for {', '.join(map(repr, self._missing))}{more}",
                hint="add them with `sha256sum`, or leave the objects out with Filter",
            )


async def read_digests(bucket: Bucket, key: str) -> Digests:
    """The digests in the object `key`. Raises InputUnreadable, naming the first line that is none."""
    asked = f"s3://{bucket.location.bucket}/{key}"
    text = (await bucket.read(key, LARGEST_MANIFEST_BYTES)).decode("utf-8", "surrogateescape")
    by_name: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise InputUnreadable(
                f"ChecksumManifest {asked}, line {number}: {line[:80]!r} is not a SHA-256 and a name",
                hint="write it with `sha256sum FILE…`",
            )
        name = match["name"] or match["tagged"]
        if match["escaped"]:
            name = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], name)
        digest = (match["hex"] or match["tag"]).lower()
        name = name.removeprefix("./")
        if by_name.setdefault(name, digest) != digest:
            raise InputUnreadable(f"ChecksumManifest {asked} has two digests for {name!r}", hint="leave one of them out")
    return Digests(asked, key, by_name)
