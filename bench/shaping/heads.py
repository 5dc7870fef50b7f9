"""The few things that the proxy reads in the heads of requests and answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .traffic import Kind

END = b"\r\n\r\n"
LARGEST_HEAD_BYTES = 64 << 10
_REQUEST_LINE = re.compile(rb"(GET|HEAD) (/[^ ]*) HTTP/1\.1\r\n")
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """
    One request: `prefix` is the bucket and the first part of the key; `range_bytes` is how much a ranged one asks for.

    0 when a range has no end.
    """

    kind: Kind
    prefix: bytes
    range_bytes: int = 0


def read_request(head: bytes) -> Asked | None:
    """What is asked for, with the bucket in the path; None for what the proxy does not serve, such as an upload."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        return None
    method, target = line.groups()
    path, _, query = target.partition(b"?")
    bucket, _, key = path[1:].partition(b"/")
    prefix = bucket + b"/" + key.partition(b"/")[0]
    if not key:
        listing = b"list-type=" in query or b"prefix=" in query
        return Asked(Kind.LIST if listing else Kind.OTHER, prefix)
    if method == b"HEAD":
        return Asked(Kind.HEAD, prefix)
    span = _RANGE.search(head)
    if span is None:
        return Asked(Kind.WHOLE, prefix)
    first, last = span.groups()
    return Asked(Kind.RANGE, prefix, int(last) + 1 - int(first) if last else 0)


def read_length(head: bytes) -> int:
    """How long the body of an answer is; 0 when it does not say."""
    length = _LENGTH.search(head)
    return int(length[1]) if length else 0
