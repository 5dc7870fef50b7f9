"""What a server says when it cannot, as the error that it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gadus.core.errors import (
    Bug,
    Busy,
    Conflict,
    Forbidden,
    GadusError,
    InvalidSpec,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
)

LOGIN_HINT = "give a token with GADUS_API_TOKEN, or keep one in a profile: gadus profile save NAME --token-stdin"
_KINDS: dict[int, type[GadusError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: NotFound}


def refused(status: int, headers: Mapping[str, str], body: bytes, server: str) -> GadusError:
    """The error that an answer with this status tells."""
    document = _document(body)
    message = _text(document, "Message", "message", "error") or f"status {status}"
    hint = _text(document, "Hint")
    if not document and server:
        message = f"{server} answered with status {status}, and not in the form of this API"
        hint = "is it the address of a Gadus server?"
    if status == 400 and document.get("Code") == "ValidationError":
        return InvalidSpec(message.split("\n"), hint=hint)
    if status in _KINDS:
        return _KINDS[status](message, hint=hint or (LOGIN_HINT if status == 401 else ""))
    if status == 429:
        return Busy(message, hint=hint, retry_after_seconds=_seconds(headers))
    if status in (502, 503, 504):
        return Unavailable(message, hint=hint)
    if status >= 500:
        return Bug(f"the server {server}: {message}", hint=hint) if server else Bug(message, hint=hint)
    return Rejected(message, hint=hint)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(document: Mapping[str, Any], *names: str) -> str:
    return next((document[name] for name in names if isinstance(document.get(name), str) and document[name]), "")


def _seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1.0
