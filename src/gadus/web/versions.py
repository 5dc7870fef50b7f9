"""The version that every client is told; clients older than the oldest that can be spoken with are refused."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gadus import __version__
from gadus.core.problem import clipped

from .clients import not_released
from .errors import error_document
from .heads import heads_of
from .nodes import version_document
from .wire import Document

OLDEST = (1, 4, 0)
_SEMANTIC = re.compile(r"v?([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?(-[-.0-9A-Za-z]+)?(\+[-.0-9A-Za-z]+)?")
_NEVER = "0001-01-01 00:00:00 +0000 UTC"


_BUILD = version_document()
VERSION_HEADERS = [
    (name, text.encode())
    for name, text in (
        (b"x-bacalhau-git-version", _BUILD["GitVersion"]),
        (b"x-bacalhau-git-commit", _BUILD["GitCommit"]),
        (b"x-bacalhau-build-date", _NEVER),
        (b"x-bacalhau-build-os", _BUILD["GOOS"]),
        (b"x-bacalhau-arch", _BUILD["GOARCH"]),
    )
]
"""In the head of every answer."""


class Versions:
    """The application, for clients that it can speak with."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or say which version would be answered."""
        text = heads_of(scope).get("x-bacalhau-git-version", "").strip()
        refused = _refused(HTTPConnection(scope), text) if text and not not_released(text) else None
        await (refused or self._app)(scope, receive, send)


def _refused(request: HTTPConnection, text: str) -> Response | None:
    found = _SEMANTIC.fullmatch(text)
    if found is None:
        return _answer(request, 400, "BadRequest", f"Invalid client version {clipped(text)}", {})
    version = tuple(int(part or 0) for part in found.groups()[:3])
    # What comes before a release is older than it.
    if version > OLDEST or (version == OLDEST and not found[4]):
        return None
    oldest = ".".join(map(str, OLDEST))
    versions = {"MinVersion": oldest, "ClientVersion": clipped(text.removeprefix("v")), "ServerVersion": __version__}
    return _answer(
        request, 403, "VersionMismatch", f"Client version is outdated: this server needs {oldest} or later", versions
    )


def _answer(request: HTTPConnection, status: int, code: str, message: str, more: Document) -> Response:
    told = error_document(request, status, code, message, "update the client")
    return JSONResponse(told | {"Error": message} | more, status)
