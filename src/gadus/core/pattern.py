"""Patterns that a job's author writes: RE2 syntax, whose time is linear in the text, so none can hang a node."""

from __future__ import annotations

import re2

_LONGEST_PATTERN_BYTES = 1024
_PATTERN_MEMORY_BYTES = 8 << 20


def compile_pattern(pattern: str) -> re2.Pattern:
    """`pattern`, ready to be searched for in text or bytes. Raises ValueError with the reason."""
    if len(pattern.encode("utf-8", "surrogateescape")) > _LONGEST_PATTERN_BYTES:
        raise ValueError(f"invalid regex pattern: it is over {_LONGEST_PATTERN_BYTES} bytes: write a shorter one")
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as exc:
        reason = exc.args[0].decode() if exc.args and isinstance(exc.args[0], bytes) else str(exc)
        raise ValueError(f"invalid regex pattern: {reason} (RE2 syntax: no look-around, no back-references)") from exc
