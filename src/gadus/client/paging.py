"""Lists that the API gives page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from .api import Api, Value
from .transport import Document

MOST_ITEMS = 100_000
"""A longer list is not held at once: its rest has a token."""


async def pages(api: Api, path: str, query: Mapping[str, Value]) -> AsyncGenerator[list[Document]]:
    """All of a list that does not grow, one page after the other."""
    token = ""
    while True:
        answer = await api.ask("GET", path, query={**query, "next_token": token})
        yield answer["Items"]
        before, token = token, answer["NextToken"]
        if not token or token == before:
            return


async def listed(api: Api, path: str, query: Mapping[str, Value], *, limit: int) -> tuple[list[Document], str]:
    """The first `limit` items of a list, all for 0, and the token for those after them; empty when there are none."""
    wanted = min(limit or MOST_ITEMS, MOST_ITEMS)
    items: list[Document] = []
    token = str(query.get("next_token", ""))
    while True:
        left = wanted - len(items)
        answer = await api.ask("GET", path, query={**query, "limit": left, "next_token": token})
        page = answer["Items"][:left]
        items += page
        token = answer["NextToken"]
        # A page with a token and nothing in it is what there is now of something that grows.
        if not token or not page or len(items) >= wanted:
            return items, token


async def with_all_executions(api: Api, answer: Document, query: Mapping[str, Value] | None = None) -> Document:
    """A described job with the executions that did not fit into the answer; `query` is what else was asked for."""
    first = answer["Executions"]
    if token := first["NextToken"]:
        path = f"/orchestrator/jobs/{answer['Job']['ID']}/executions"
        rest, token = await listed(api, path, {**(query or {}), "next_token": token}, limit=0)
        first = {"NextToken": token, "Items": [*first["Items"], *rest]}
    return {**answer, "Executions": first}
