"""Routes by which a client gets a token: it asks which ways there are, and takes one."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gadus.core.errors import InvalidSpec, NotFound
from gadus.core.problem import clipped

from .answering import answered, route
from .bodies import body_of
from .scoped import OPEN, ScopedRoute
from .wire import Document


@dataclass(frozen=True, slots=True)
class Signed:
    """What becomes of who wants to sign in: a token, or the reason for none."""

    token: str = ""
    reason: str = ""


class SigningIn(Protocol):
    """Decides who may sign in."""

    def methods(self) -> Mapping[str, Document]:
        """The ways to sign in, by their names, with what each needs. At least one: clients give up without any."""
        ...

    async def signed(self, method: str, data: Mapping[str, Any], client: str) -> Signed:
        """A token for who at the address `client` proves with `data` who they are. Raises InvalidSpec for what is no proof."""
        ...


class Auth:
    """Answers requests to sign in."""

    def __init__(self, signing_in: SigningIn) -> None:
        self._signing_in = signing_in

    def routes(self, prefix: str) -> list[ScopedRoute]:
        return [
            route(f"{prefix}/auth", scope=OPEN, GET=self.methods),
            route(f"{prefix}/auth/{{method}}", scope=OPEN, GET=self.method, POST=self.sign_in),
        ]

    async def methods(self, request: Request) -> Response:
        return answered(request, {"NextToken": "", "Methods": dict(self._signing_in.methods())})

    async def method(self, request: Request) -> Response:
        return answered(request, self._known(request)[1])

    async def sign_in(self, request: Request) -> Response:
        """A token for ``MethodData``: base64 of a JSON document, whose fields depend on the method."""
        name, _ = self._known(request)
        body = await body_of(request)
        data = _document(body.text("MethodData"))
        signed = await self._signing_in.signed(name, data, request.client.host if request.client else "")
        if signed.token:
            return answered(request, {"Authentication": {"success": True, "token": signed.token}})
        return JSONResponse({"Authentication": {"success": False, "reason": signed.reason}}, 401)

    def _known(self, request: Request) -> tuple[str, Document]:
        name, methods = request.path_params["method"], self._signing_in.methods()
        if name not in methods:
            raise NotFound(f"there is no way to sign in named {clipped(name)}", hint=f"use {', '.join(methods)}")
        return name, methods[name]


def decoded(data: Mapping[str, Any], name: str) -> bytes:
    """The bytes that a field of the method's data has in base64. Raises InvalidSpec."""
    text = data.get(name)
    try:
        return b64decode(text if isinstance(text, str) else "-", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidSpec([f"MethodData.{name}: must be base64"]) from exc


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise InvalidSpec(["MethodData: must be base64 of a JSON object"]) from exc
    if not isinstance(document, dict):
        raise InvalidSpec(["MethodData: must be base64 of a JSON object"])
    return document
