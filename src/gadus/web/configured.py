"""The settings of a server as a document, without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from gadus.config import Settings

from .wire import Document

MASKED = "********"
_SECRET = re.compile(r"secret|password|passphrase|credential|token|private_?key|access_?key", re.IGNORECASE)
_IN_URL = re.compile(r"(?P<before>[a-z][-+.a-z0-9]*://[^/?#@]*?:)[^/?#@]*(?=@)|(?P<name>[?&]password=)[^&]*", re.IGNORECASE)


def settings_document(settings: Settings) -> Document:
    """Every setting under its name; what may be a secret is masked, also as a part of a URL."""
    document: Document = _shown("", settings)
    return document


def _shown(name: str, value: Any) -> Any:
    if name and _SECRET.search(name):
        return MASKED if value else ""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _shown(one.name, getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown("", inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(str(inner) for inner in value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return _IN_URL.sub(lambda found: (found["before"] or found["name"]) + MASKED, str(value))
