"""Bodies of requests: JSON of a bounded size and depth, whose keys may be written in any case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped

from .heads import heads_of

LARGEST_BYTES = 1 << 20
DEEPEST = 32
_LARGEST_NUMBER = 1 << 63


class Body:
    """The fields of a request's body, which had so many bytes."""

    def __init__(self, fields: Mapping[str, Any], size_bytes: int = 0) -> None:
        self.size_bytes = size_bytes
        self._fields = {key.lower(): value for key, value in fields.items()}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._fields

    def text(self, name: str) -> str:
        """Empty when it is not given. Raises InvalidSpec."""
        value = self._fields.get(name.lower())
        if value is None:
            return ""
        if not isinstance(value, str):
            raise InvalidSpec([f"{name}: must be text"])
        return value

    def number(self, name: str) -> int:
        """A whole number from 0; 0 when it is not given. Raises InvalidSpec."""
        value = self._fields.get(name.lower())
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InvalidSpec([f"{name}: must be a whole number from 0"])
        return value

    def switch(self, name: str) -> bool:
        """False when it is not given. Raises InvalidSpec."""
        value = self._fields.get(name.lower())
        if not isinstance(value, bool | None):
            raise InvalidSpec([f"{name}: must be true or false"])
        return bool(value)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Raises InvalidSpec when it is not given."""
        value = self._fields.get(name.lower())
        if not isinstance(value, dict):
            raise InvalidSpec([f"{name}: must be given, as an object"])
        return value


async def body_of(request: Request) -> Body:
    """
    The body of `request`, which may be empty.

    Raises InvalidSpec for what is no JSON object, HTTPException for one that is too large or of another type.
    """
    data = await _bytes_of(request)
    if not data.strip():
        return Body({})
    kind = heads_of(request.scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Also what keeps pages of other sites out: a browser sends such a body only to who allows it.
        raise HTTPException(415, f"the body is {clipped(repr(kind or 'of no type'))}, not application/json")
    document = _parsed(data)
    if not isinstance(document, dict):
        raise InvalidSpec(["the body must be a JSON object"])
    return Body(document, len(data))


async def _bytes_of(request: Request) -> bytes:
    announced = heads_of(request.scope).get("content-length", "")
    data = bytearray()
    if announced.isdecimal() and int(announced[:20]) > LARGEST_BYTES:
        raise _too_large()
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST_BYTES:
            raise _too_large()
    return bytes(data)


def _too_large() -> HTTPException:
    return HTTPException(413, f"the body has more than {LARGEST_BYTES} bytes")


def _parsed(data: bytes) -> object:
    try:
        document = json.loads(data.decode(), object_pairs_hook=_fields, parse_constant=_no_number, parse_int=_whole)
        if _needs_a_look(data):
            _check(document, 0)
    except UnicodeError as exc:
        raise InvalidSpec(["the body is not UTF-8 text"]) from exc
    except json.JSONDecodeError as exc:
        raise InvalidSpec([f"the body is not JSON: {exc.msg}, in line {exc.lineno}, column {exc.colno}"]) from exc
    except RecursionError as exc:
        raise _too_deep() from exc
    return document


def _needs_a_look(data: bytes) -> bool:
    """Whether it may be nested too deep, or hold half a surrogate pair, which only an escape can write."""
    return data.count(b"{") + data.count(b"[") > DEEPEST or b"\\u" in data


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidSpec([f"{clipped(twice)}: given twice"])
    return fields


def _no_number(text: str) -> NoReturn:
    raise InvalidSpec([f"the body is not JSON: {text} is no number"])


def _whole(text: str) -> int:
    number = int(text) if len(text) < 25 else _LARGEST_NUMBER
    if not -_LARGEST_NUMBER <= number < _LARGEST_NUMBER:
        raise InvalidSpec([f"{clipped(text)}: a whole number must fit into 64 bits"])
    return number


def _check(value: object, depth: int) -> None:
    if depth > DEEPEST:
        raise _too_deep()
    if isinstance(value, str):
        # Half a surrogate pair cannot be written anywhere.
        value.encode()
    elif isinstance(value, dict):
        for key, inner in value.items():
            key.encode()
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def _too_deep() -> InvalidSpec:
    return InvalidSpec([f"the body is nested deeper than {DEEPEST} levels"])
