"""What a server says when it cannot, as the error that it is."""

from __future__ import annotations

from collections.abc import Mapping

from gadus.core.errors import Bug, Busy, GadusError, InvalidSpec, Unauthorized, Unavailable
from gadus.core.refusals import known_by

from .answers import NOT_OURS, document_in
from .transport import Document

LOGIN_HINT = "give a token with GADUS_API_TOKEN, or keep one in a profile: gadus profile save NAME --token-stdin"


def refused(status: int, headers: Mapping[str, str], body: bytes, server: str) -> GadusError:
    """The error that an answer with this status tells."""
    document = _document(body)
    message = _text(document, "Message", "message", "error") or f"status {status}"
    hint = _text(document, "Hint")
    if not document.keys() - {"Value"} and server:
        message = f"{server} answered with status {status}, and not in the form of this API"
        hint = NOT_OURS
    kind = known_by(status, _text(document, "Code"))
    if kind is InvalidSpec:
        return InvalidSpec(message.split("\n"), hint=hint)
    if kind is Busy:
        return Busy(message, hint=hint, retry_after_seconds=_seconds(headers))
    if kind is Bug and server:
        message = f"the server {server}: {message}"
    return kind(message, hint=hint or (LOGIN_HINT if kind is Unauthorized else ""))


def _document(body: bytes) -> Document:
    try:
        return document_in(body, "")
    except Unavailable:
        return {}


def _text(document: Document, *names: str) -> str:
    return next((document[name] for name in names if isinstance(document.get(name), str) and document[name]), "")


def _seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1.0
