"""Sizes, durations and digests as people write them."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from functools import lru_cache

_BYTE_UNITS = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "kb": 10**3,
    "m": 10**6,
    "mb": 10**6,
    "g": 10**9,
    "gb": 10**9,
    "t": 10**12,
    "tb": 10**12,
    "ki": 2**10,
    "kib": 2**10,
    "mi": 2**20,
    "mib": 2**20,
    "gi": 2**30,
    "gib": 2**30,
    "ti": 2**40,
    "tib": 2**40,
}
_CPU_UNITS = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)}
_HEX_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_SHA256_BYTES = 32
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)([a-z]*)")
# Beyond this no machine exists; it also keeps every amount within a signed 64-bit integer.
_LARGEST_BYTES = 2**62
_LARGEST_CORES = 2**20
# Thousands of digits cost seconds to read, and name no amount.
_LONGEST_TEXT = 50


def parse_bytes(text: str) -> int:
    """
    The number of bytes in "42MiB", "1Gb" (powers of 1000), "512 Ki" or "1024".

    Units in any case, blanks ignored (Bacalhau's rules). Raises ValueError with the reason.
    """
    amount, unit = _split(text)
    if unit not in _BYTE_UNITS:
        raise ValueError(f"{text!r} is not a size: use a number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB")
    size_bytes = int(amount * _BYTE_UNITS[unit])
    if size_bytes > _LARGEST_BYTES:
        raise ValueError(f"{text!r} is more bytes than any machine has")
    return size_bytes


def parse_cores(text: str) -> float:
    """The number of CPU cores in "500m", "0.5" or "2". Raises ValueError with the reason."""
    amount, unit = _split(text)
    if unit not in _CPU_UNITS:
        raise ValueError(f'{text!r} is not a number of CPU cores: use "2", "0.5" or "500m" (thousandths)')
    cores = float(amount * _CPU_UNITS[unit])
    if cores > _LARGEST_CORES:
        raise ValueError(f"{text!r} is more cores than any machine has")
    return cores


def parse_sha256(text: str) -> str:
    """A SHA-256 given as 64 hex digits or as base64, as lower-case hex. Raises ValueError with the reason."""
    if _HEX_SHA256.fullmatch(text):
        return text.lower()
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != _SHA256_BYTES:
        raise ValueError(f"{text!r} is not a SHA-256: write it as 64 hex digits or as base64")
    return digest.hex()


def format_bytes(size_bytes: float) -> str:
    """A size for people, in powers of 1024: "0 B", "1.5 KiB", "2.0 GiB"."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        # What would be shown as 1024.0 goes to the next unit.
        if round(abs(amount), 1) < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def format_seconds(seconds: float) -> str:
    """A duration for people: "0.42 s", "12.3 s", "4 min 05 s", "2 h 03 min"."""
    if seconds < 9.995:  # what would be shown as 10.00
        return f"{seconds:.2f} s"
    if seconds < 99.95:  # what would be shown as 100.0
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@lru_cache(maxsize=1024)
def _split(text: str) -> tuple[Decimal, str]:
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"{text[:_LONGEST_TEXT]}… is too long for an amount: use a number with an optional unit")
    match = _AMOUNT.fullmatch("".join(text.lower().split()))
    if match is None:
        raise ValueError(f"{text!r} is not an amount: use a number with an optional unit")
    return Decimal(match[1]), match[2]
