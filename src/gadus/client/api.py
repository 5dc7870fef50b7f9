"""Requests and answers of the API: documents, lines and bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

from gadus.core.errors import Unavailable

from . import answers
from .refusal import refused
from .transport import Answer, Document, Transport

PREFIX = "/api/v1"
LARGEST_BYTES = 1 << 30
"""An answer in one piece that is larger is not read."""
_LARGEST_REFUSAL_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 16 << 20
_LINE = "a line that the server sends"
NEWEST_VERSION = "v1.9.0"
"""Bacalhau's servers, and ours, word some answers by the version of the client: we read those of the newest."""

Value = str | int | bool | Iterable[str]


class Api:
    """One server, or this process as one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def server(self) -> str:
        """Which server, in words for people; empty when it is this process."""
        return self._transport.server

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Value] | None = None,
        body: Document | None = None,
        as_version: str = NEWEST_VERSION,
    ) -> Document:
        """
        The document that a route answers with; `path` is below the prefix. `as_version`: as a client of this version of
        Bacalhau asks, or of none if it is empty.

        Raises the error that the answer tells: NotFound, Conflict, InvalidSpec, Unauthorized, Forbidden, Busy, Unavailable. To
        ask the document for a field that it must have and has not raises Unavailable, too.
        """
        data = b"" if body is None else _encoded_body(body)
        async with self._sent(method, path, query, "application/json", data, as_version) as answer:
            text = await _whole(answer, LARGEST_BYTES)
        asked = f"{method} {path}"
        return answers.Answered(answers.document_in(text, f"the answer to {asked}"), asked)

    @asynccontextmanager
    async def read(
        self, path: str, *, query: Mapping[str, Value] | None = None, accept: str = "*/*"
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an answer as it comes. Raises as `ask`."""
        async with self._sent("GET", path, query, accept, b"") as answer:
            yield answer.body

    @asynccontextmanager
    async def lines(
        self, path: str, *, query: Mapping[str, Value] | None = None, body: Document | None = None
    ) -> AsyncIterator[AsyncIterator[Document]]:
        """
        The documents of an answer that has one in each line, as they come. With a `body` it is posted. Raises as `ask`.
        """
        method, data = ("GET", b"") if body is None else ("POST", _encoded_body(body))
        async with self._sent(method, path, query, "application/x-ndjson", data) as answer:
            yield _documents(answer.body)

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, Value] | None,
        accept: str,
        body: bytes,
        as_version: str = NEWEST_VERSION,
    ) -> AsyncIterator[Answer]:
        headers = {"Accept": accept} | ({"Content-Type": "application/json"} if body else {})
        if as_version:
            headers["X-Bacalhau-Git-Version"] = as_version
        async with self._transport.send(method, PREFIX + path + _encoded(query or {}), headers, body) as answer:
            if answer.status != 200:
                raise refused(answer.status, answer.headers, await _whole(answer, _LARGEST_REFUSAL_BYTES), self.server)
            yield answer


def in_path(name: str) -> str:
    """A name as one part of a path, with its slashes: `Api` knows no other names in paths."""
    return quote(name, safe="")


def _encoded_body(body: Document) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _encoded(query: Mapping[str, Value]) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, bool):
            pairs += [(name, "true")] if value else []
        elif isinstance(value, str | int):
            pairs += [(name, str(value))] if value else []
        else:
            pairs += [(name, one) for one in value]
    return f"?{urlencode(pairs)}" if pairs else ""


async def _whole(answer: Answer, limit_bytes: int) -> bytes:
    data = bytearray()
    async for piece in answer.body:
        data += piece
        if len(data) > limit_bytes:
            raise Unavailable(f"the server's answer has more than {limit_bytes} bytes", hint="ask for less, e.g. with --limit")
    return bytes(data)


async def _documents(body: AsyncIterator[bytes]) -> AsyncIterator[Document]:
    rest = b""
    async for piece in body:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE_BYTES:
            raise Unavailable("the server sends a line without an end")
        for line in filter(bytes.strip, lines):
            yield answers.document_in(line, _LINE)
    if rest.strip():
        yield answers.document_in(rest, _LINE)
