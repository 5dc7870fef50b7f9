"""What a client is told when something cannot be done: one form for all, read by every version of Bacalhau's clients."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from gadus.core.errors import Bug, GadusError, Unauthorized
from gadus.core.problem import clipped
from gadus.core.refusals import told_as

_RETRY_SECONDS = 2
_CODES = {404: "NotFound", 403: "Forbidden", 501: "NotImplemented"}
_HINTS = {
    404: "see the documentation of the REST API for the routes there are",
    405: "the header Allow has the methods of this route",
    413: "data belongs into inputs, not into the job",
    415: "send JSON, with the header Content-Type: application/json",
}
_CHALLENGE = 'Bearer realm="gadus", Basic realm="gadus", charset="UTF-8"'
_OUR_FAULT = "please report it: the server's standard error has what went wrong"


async def told(request: Request, error: Exception) -> Response:
    """The answer to a request that raised `error`; nothing of the inside is shown."""
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "BadRequest" if error.status_code < 500 else "InternalError")
        detail = (
            f"there is no {request.method} {clipped(request.url.path)}" if error.status_code in (404, 405) else error.detail
        )
        return answer(request, error.status_code, code, detail, _HINTS.get(error.status_code, ""), error.headers)
    return refusal(request, error)


def refusal(request: HTTPConnection, error: Exception) -> Response:
    """The answer when our own code raised `error`."""
    if isinstance(error, GadusError) and not isinstance(error, Bug):
        status, code = told_as(error)
        return answer(request, status, code, error.message, error.hint, _headers(error))
    return answer(request, 500, "InternalError", "Gadus broke one of its own promises", _OUR_FAULT)


def answer(
    request: HTTPConnection, status: int, code: str, message: str, hint: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as 1.4 words it and as 1.5 does, in one document."""
    return JSONResponse(error_document(request, status, code, message, hint), status, headers)


def error_document(request: HTTPConnection, status: int, code: str, message: str, hint: str) -> dict[str, object]:
    """The document of an error."""
    document: dict[str, object] = {
        "error": message,
        "message": message,
        "Status": status,
        "Message": message,
        "RequestID": request.scope.get("gadus.request_id", ""),
        "Code": code,
        "Component": "APIServer",
    }
    if hint:
        document["Hint"] = hint
    return document


def _headers(error: GadusError) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": _CHALLENGE}
    if not error.can_retry:
        return {}
    seconds = getattr(error, "retry_after_seconds", 0.0) or _RETRY_SECONDS
    return {"Retry-After": str(max(1, round(seconds)))}
