"""The route that describes all routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gadus.threads import finished

from .answering import answered, route
from .scoped import OPEN, AnyScoped, ScopedRoute


class Describing:
    """Answers what there is to ask for. `every` gives all routes, once they are there."""

    def __init__(self, every: Callable[[], Sequence[AnyScoped]]) -> None:
        self._every = every
        self._prefix = ""
        self._document: dict[str, Any] = {}

    def routes(self, prefix: str) -> list[ScopedRoute]:
        self._prefix = prefix
        return [route(f"{prefix}/openapi.json", scope=OPEN, GET=self.show)]

    async def show(self, request: Request) -> Response:
        if not self._document:
            # In a thread: it loads every engine and source.
            self._document = await finished(self._made)
        return answered(request, self._document)

    def _made(self) -> dict[str, Any]:
        from .openapi.document import document  # noqa: PLC0415 - few ever ask

        return document(self._every(), self._prefix)
