"""The route that describes all routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .answering import answered, route
from .scoped import OPEN, AnyScoped, ScopedRoute


class Describing:
    """Answers what there is to ask for. `every` gives all routes, once they are there."""

    def __init__(self, every: Callable[[], Sequence[AnyScoped]]) -> None:
        self._every = every
        self._prefix = ""

    def routes(self, prefix: str) -> list[ScopedRoute]:
        self._prefix = prefix
        return [route(f"{prefix}/openapi.json", scope=OPEN, GET=self.show)]

    async def show(self, request: Request) -> Response:
        return answered(request, self._document)

    @cached_property
    def _document(self) -> dict[str, Any]:
        from .openapi.document import document  # noqa: PLC0415 - few ever ask

        return document(self._every(), self._prefix)
