"""What the request that is answered here brought along; what is done for it meanwhile belongs to it."""

from __future__ import annotations

import re
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
traceparent: ContextVar[str] = ContextVar("traceparent", default="")
"""The place in somebody's trace, as W3C writes it; empty when there is none, or it is none."""

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_in(header: str) -> str:
    """The header, if it says what it should."""
    return header if _TRACEPARENT.fullmatch(header) else ""
