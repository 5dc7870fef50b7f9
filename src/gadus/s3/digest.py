"""What the bytes of an object must come to: the author's SHA-256, or the checksum that the service gives for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from gadus.core import checksums
from gadus.core.manifest import Item

SHA256 = "sha256"
_HEADER = "x-amz-checksum-"


def expected_of(item: Item, headers: Mapping[str, str] | None = None) -> str:
    """
    ``algorithm:hex`` of the whole object, the strongest that is known; "" when nothing is.

    `headers` are those of an answer with the whole object. A checksum made of those of its parts says nothing of the bytes.
    """
    if item.sha256:
        return f"{SHA256}:{item.sha256}"
    return item.checksum or checksum_in(headers or {})


def checksum_in(headers: Mapping[str, str]) -> str:
    """The service's own checksum of a whole object in the headers of its answer, as ``algorithm:hex``; "" without one."""
    if headers.get(f"{_HEADER}type", "FULL_OBJECT") != "FULL_OBJECT":
        return ""
    for algorithm in checksums.ALGORITHMS:
        if value := headers.get(_HEADER + algorithm, ""):
            try:
                return checksums.from_base64(algorithm, value)
            except ValueError:
                return ""
    if value := headers.get(_HEADER + SHA256, ""):
        try:
            digest = base64.b64decode(value, validate=True)
        except ValueError:
            return ""
        return f"{SHA256}:{digest.hex()}" if len(digest) == hashlib.sha256().digest_size else ""
    return ""


class Digest:
    """Adds up bytes by the algorithm of `expected`; when nothing is, by one that costs next to nothing."""

    def __init__(self, expected: str = "") -> None:
        self.expected = expected
        self._algorithm = expected.partition(":")[0] or checksums.CRC64NVME
        self._hash = hashlib.sha256() if self._algorithm == SHA256 else None
        self._crc = 0

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        if self._hash is not None:
            self._hash.update(data)
        else:
            self._crc = checksums.update(self._algorithm, data, self._crc)

    @property
    def adds_up(self) -> bool:
        """Whether the value of a whole can be made of those of its parts."""
        return self._hash is None

    def append(self, following: Digest, size_bytes: int) -> None:
        """The next bytes, as many as that, which `following` has added up. Only for a digest that `adds_up`."""
        self._crc = checksums.combine(self._algorithm, self._crc, following._crc, size_bytes)

    @property
    def fits(self) -> bool:
        """Whether the bytes are those that are expected, if any are."""
        return not self.expected or self.value == self.expected

    @property
    def value(self) -> str:
        """``algorithm:hex`` of all bytes so far."""
        if self._hash is not None:
            return f"{SHA256}:{self._hash.hexdigest()}"
        return checksums.as_text(self._algorithm, self._crc)
