"""Tells every client the version of this server, and refuses clients that are older than the oldest it can speak with."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gadus import __version__
from gadus.core.problem import clipped

from .clients import not_released
from .errors import error_document
from .nodes import version_document
from .wire import Document

OLDEST = (1, 4, 0)
_SEMANTIC = re.compile(r"v?([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?(-[-.0-9A-Za-z]+)?(\+[-.0-9A-Za-z]+)?")
_NEVER = "0001-01-01 00:00:00 +0000 UTC"


class Versions:
    """The application, with the version of this server in the head of each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        build = version_document()
        self._headers = {
            "X-Bacalhau-Git-Version": build["GitVersion"],
            "X-Bacalhau-Git-Commit": build["GitCommit"],
            "X-Bacalhau-Build-Date": _NEVER,
            "X-Bacalhau-Build-OS": build["GOOS"],
            "X-Bacalhau-Arch": build["GOARCH"],
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or say which version would be answered."""

        async def send_marked(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
                marked = MutableHeaders(scope=message)
                for name, text in self._headers.items():
                    marked[name] = text
            await send(message)

        text = Headers(scope=scope).get("x-bacalhau-git-version", "").strip()
        refused = _refused(HTTPConnection(scope), text) if text and not not_released(text) else None
        await (refused or self._app)(scope, receive, send_marked)


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
