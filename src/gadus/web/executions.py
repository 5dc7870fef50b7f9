"""Executions of a job in some order, a page at a time: each page begins after the last one of the page before."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from gadus.core.errors import InvalidSpec
from gadus.core.job import Execution

from .query import Query

MOST_EXECUTIONS = 2000
"""A longer page is cut here, and has a token for the rest: others wait as long as it is made."""
Key = tuple[float | str, ...]
_ORDERS: Mapping[str, Callable[[Execution], Key]] = {
    "modify_time": lambda one: (one.modified_at, one.id),
    "create_time": lambda one: (one.created_at, one.id),
    "id": lambda one: (one.id,),
    "state": lambda one: (one.state.value, one.id),
}
_KINDS: Mapping[str, tuple[type, ...]] = {
    "modify_time": (float, str),
    "create_time": (float, str),
    "id": (str,),
    "state": (str, str),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: in which order, and after which execution; at the beginning without one."""

    order: str = "create_time"
    reverse: bool = False
    after: Key | None = None

    @classmethod
    def of_query(cls, query: Query) -> Self:
        """The place that a request names. A token has the order of its list. Raises InvalidSpec."""
        order, reverse = query.one_of("order_by", tuple(_ORDERS)), query.switch("reverse")
        token = query.text("next_token")
        return cls._of_token(token) if token else cls(order, reverse)

    def page(self, executions: Sequence[Execution], limit: int = 0) -> tuple[list[Execution], str]:
        """The executions of this page, and the token of the next one; empty when there is none."""
        key, after = _ORDERS[self.order], self.after
        if after is not None:
            executions = [one for one in executions if (key(one) < after if self.reverse else key(one) > after)]
        ordered = sorted(executions, key=key, reverse=self.reverse)
        most = min(limit or MOST_EXECUTIONS, MOST_EXECUTIONS)
        return ordered[:most], self._token(key(ordered[most - 1])) if len(ordered) > most else ""

    def _token(self, after: Key) -> str:
        return urlsafe_b64encode(json.dumps([self.order, self.reverse, *after]).encode()).decode().rstrip("=")

    @classmethod
    def _of_token(cls, token: str) -> Self:
        try:
            order, reverse, *after = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            if tuple(map(type, after)) == _KINDS[order] and isinstance(reverse, bool):
                return cls(order, reverse, tuple(after))
        except (binascii.Error, ValueError, TypeError, KeyError, RecursionError):
            pass
        raise InvalidSpec(["next_token: is not one that the executions of a job give"])
