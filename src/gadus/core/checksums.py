"""Checksums of whole objects as S3 services give them: computed while bytes arrive, and put together from parts."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from importlib import import_module

CRC64NVME = "crc64nvme"
CRC32C = "crc32c"
CRC32 = "crc32"

_DIGITS = {CRC64NVME: 16, CRC32C: 8, CRC32: 8}
ALGORITHMS = tuple(_DIGITS)
"""Every algorithm that can be computed here, the strongest first."""


def update(algorithm: str, data: bytes | bytearray | memoryview, previous: int = 0) -> int:
    """
    The checksum of all bytes so far: of those that gave `previous`, followed by `data`.

    Many GiB a second; other threads go on meanwhile.
    """
    value: int = _function(algorithm)(data, previous)
    return value


def combine(algorithm: str, first: int, second: int, second_bytes: int) -> int:
    """The checksum of two stretches one after the other, from theirs; `second_bytes` is the length of the second one."""
    value: int = _function(f"combine_{algorithm}")(first, second, second_bytes)
    return value


def as_text(algorithm: str, value: int) -> str:
    """``algorithm:hex``, as it stands in manifests and records."""
    return f"{algorithm}:{value:0{_DIGITS[algorithm]}x}"


def from_base64(algorithm: str, text: str) -> str:
    """
    ``algorithm:hex`` from the value of a header such as ``x-amz-checksum-crc64nvme``: base64 of the big-endian number.

    Raises ValueError when it is no checksum of a whole object by this algorithm: one made of the parts' has a ``-<parts>`` at
    its end.
    """
    value = base64.b64decode(text, validate=True)
    if len(value) * 2 != _DIGITS[algorithm]:
        raise ValueError(f"{text!r} is not a {algorithm} in base64: it has {len(value)} bytes")
    return f"{algorithm}:{value.hex()}"


@cache
def _function(name: str) -> Callable[..., int]:
    # Not at the top: loading the library takes longer than `gadus --help` may.
    function: Callable[..., int] = getattr(import_module("awscrt.checksums"), name)
    return function
