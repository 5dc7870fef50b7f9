"""The whole document, made of the routes that are served: each says who may use it, and the operations say the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gadus import __version__
from gadus.web.scoped import OPEN, AnyScoped

from .operations import JSON, Operation, operations
from .parameters import PATHS, Parameter
from .schemas import schemas
from .shapes import TEXT, Schema, named

_IN_PATH = re.compile(r"\{([a-z]+)\}")


def document(routes: Sequence[AnyScoped], prefix: str) -> Schema:
    """The description of these routes, as OpenAPI 3.1."""
    paths: dict[str, Schema] = {}
    known = operations(prefix)
    for route in routes:
        for method in sorted(getattr(route, "methods", None) or ()):
            if operation := known.get(f"{method} {route.path}"):
                path = paths.setdefault(route.path, _path(route.path))
                path[method.lower()] = _operation(method, route.path, operation, route.scopes[method])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gadus", "version": __version__, "description": "Compute over data, with the API of Bacalhau."},
        "paths": paths,
        "components": {"schemas": schemas(), "securitySchemes": _WAYS_IN},
    }


_WAYS_IN: Mapping[str, Schema] = {
    "token": {"type": "http", "scheme": "bearer"},
    "user": {"type": "http", "scheme": "basic"},
}


def _path(path: str) -> Schema:
    names = _IN_PATH.findall(path)
    if not names:
        return {}
    return {
        "parameters": [
            {"name": name, "in": "path", "required": True, "description": PATHS[name], "schema": {**TEXT, "minLength": 1}}
            for name in names
        ]
    }


def _operation(method: str, path: str, operation: Operation, scope: str) -> Schema:
    described: Schema = {
        "operationId": f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}".rstrip("_"),
        "summary": operation.summary,
        "x-gadus-scope": scope,
        # Without access control nobody needs to say who they are.
        "security": [] if scope == OPEN else [{}, {"token": []}, {"user": []}],
        "responses": {str(status): _answer(media) for status, media in operation.answers.items()} | {"default": _FAILED},
    }
    if operation.query:
        described["parameters"] = [_parameter(one) for one in operation.query]
    if operation.body is not None:
        required = bool(operation.body.get("required"))
        described["requestBody"] = {"required": required, "content": {JSON: {"schema": operation.body}}}
    return described


def _answer(media: Mapping[str, Schema]) -> Schema:
    return {"description": "done", "content": {kind: {"schema": schema} for kind, schema in media.items()}}


_FAILED: Schema = {"description": "what is wrong, and the way out", "content": {JSON: {"schema": named("Error")}}}


def _parameter(parameter: Parameter) -> Schema:
    schema = {"type": "array", "items": parameter.schema} if parameter.repeatable else parameter.schema
    return {"name": parameter.name, "in": "query", "description": parameter.says, "schema": schema}
