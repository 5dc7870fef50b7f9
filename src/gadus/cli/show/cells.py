"""What cells of several lists have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .lists import Column
from .text import clock_time, short_id, short_node

_SECOND = 1_000_000_000


def time_column(header: str, key: str) -> Column:
    """A point in time in nanoseconds: the time of the day, or with its date. UTC."""
    return Column(header, lambda document, whole: _clock(document[key], whole=whole))


def id_column(header: str, key: str) -> Column:
    """An id, if there is one: its first group, or all of it."""
    return Column(header, lambda document, whole: _id(document.get(key) or "", whole=whole))


def node_column(header: str, key: str) -> Column:
    """A node, if there is one: an id as any other, or its name."""
    return Column(header, lambda document, whole: _node(document.get(key) or "", whole=whole))


def text_column(header: str, text: Callable[[Mapping[str, Any]], str]) -> Column:
    """A text that is always shown whole."""
    return Column(header, lambda document, _whole: text(document))


def _id(text: str, *, whole: bool) -> str:
    return text if whole else short_id(text)


def _node(text: str, *, whole: bool) -> str:
    return text if whole else short_node(text)


def _clock(nanoseconds: int, *, whole: bool) -> str:
    text = clock_time(nanoseconds / _SECOND)
    return text if whole else text.split(" ")[1]
