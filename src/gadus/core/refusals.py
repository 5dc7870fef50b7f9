"""Errors as statuses and codes of HTTP: one table, by which a server tells them and a client knows them again."""

from __future__ import annotations

from .errors import Bug, Busy, Conflict, Forbidden, GadusError, InvalidSpec, NotFound, Rejected, Unauthorized, Unavailable

_TABLE: tuple[tuple[type[GadusError], int, str], ...] = (
    (InvalidSpec, 400, "ValidationError"),
    (NotFound, 404, "NotFound"),
    (Conflict, 409, "ResourceInUse"),
    (Unauthorized, 401, "Unauthorized"),
    (Forbidden, 403, "Forbidden"),
    (Rejected, 400, "BadRequest"),
    (Busy, 429, "TooManyRequests"),
    (Unavailable, 503, "ServiceUnavailable"),
    (GadusError, 500, "InternalError"),
)
"""The first row counts: for an error of whose class it is, for a status that it has."""
_OF_OTHERS: dict[int, type[GadusError]] = {410: NotFound, 502: Unavailable, 504: Unavailable}
"""What proxies say, and servers whose routes are gone."""


def told_as(error: GadusError) -> tuple[int, str]:
    """The status and the code of an answer that tells this error."""
    return next((status, code) for kind, status, code in _TABLE if isinstance(error, kind))


def known_by(status: int, code: str) -> type[GadusError]:
    """The class of the error that an answer with this status tells; many servers give no `code`, or others than ours."""
    if status in _OF_OTHERS:
        return _OF_OTHERS[status]
    rows = [(kind, name) for kind, known, name in _TABLE if known == status]
    # A status says less than a code: without one, what its last row says is true of all of them.
    exact = [kind for kind, name in rows if name == code] or [kind for kind, _ in rows[-1:]]
    return Bug if status >= 500 and status != 503 else exact[0] if exact else Rejected
