"""How a request reaches the routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, and its body as it comes. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


class Transport(Protocol):
    """Sends requests to one server."""

    @property
    def server(self) -> str:
        """Which server, in words for people; empty when it is this process."""
        ...

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> AbstractAsyncContextManager[Answer]:
        """
        The answer, whose body can be read as long as the block lasts. `target` is path and query, percent-encoded.

        Raises Unavailable when there is no answer.
        """
        ...
