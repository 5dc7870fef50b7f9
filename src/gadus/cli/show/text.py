"""Foreign text made safe for a terminal, and numbers made readable."""

from __future__ import annotations

import re
import time
import unicodedata

from gadus.core.units import format_bytes

_NODE_ID = re.compile(r"n-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Cc: terminal control codes. Cf: among others the marks that turn the direction of writing. Zl, Zp: line ends of another kind.
_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""`text` on one line, with everything that could steer a terminal written as an escape such as ``\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(letter) if unicodedata.category(letter) in _DANGEROUS else letter for letter in text)


def printable_lines(text: str) -> list[str]:
    """Like `printable`, but the line feeds of `text` stay ends of lines."""
    return [printable(line) for line in text.split("\n")]


def shortened(text: str, length: int) -> str:
    """At most `length` letters of `text`; an ellipsis stands for what was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def short_id(identifier: str) -> str:
    """The id as people see it: the prefix and the first group, ``j-5122abcd``."""
    return "-".join(identifier.split("-")[:2])


def short_node(name: str) -> str:
    """A node as people see it: an id like any other, a name whole."""
    return short_id(name) if _NODE_ID.fullmatch(name) else name


def count_of(number: int, noun: str) -> str:
    """With its noun: "1 object", "1,234 objects"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def share(done_bytes: int, total_bytes: int) -> str:
    """How much of a whole has come, for people: "3.1 MiB of 12.3 MiB (25 %)"."""
    if total_bytes <= 0:
        return format_bytes(done_bytes)
    return f"{format_bytes(done_bytes)} of {format_bytes(total_bytes)} ({100 * done_bytes // total_bytes} %)"


def clock_time(unix_seconds: float) -> str:
    """UTC, as ``2024-05-01 13:37:00``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(unix_seconds))


def _escaped(letter: str) -> str:
    code = ord(letter)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
