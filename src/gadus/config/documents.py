"""Settings as they may be shown: without what is secret in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import values
from .keys import KEYS, Key
from .said import Said
from .settings import Settings

_TYPED = (values.truth, values.yes_or_unsaid, values.port, values.priority)


@dataclass(frozen=True, slots=True)
class Line:
    """One setting, for a list of them."""

    name: str
    value: str
    origin: str
    meaning: str
    variable: str


def lines(settings: Settings) -> Iterator[Line]:
    """Every setting in the order of the table: as it counts, and who says so."""
    for key in KEYS:
        said = settings.said.get(key.name, Said(key.default))
        value = said.shown(key)
        if key.name == "DataDir":
            value = str(settings.data_dir)
        yield Line(key.name, value or key.unsaid, said.origin, key.meaning, key.variables[0])


def described(settings: Settings) -> dict[str, Any]:
    """The settings as one document, in Bacalhau's tree: ``{"API": {"Port": 1234, …}, …}``."""
    document: dict[str, Any] = {}
    for key, line in zip(KEYS, lines(settings), strict=True):
        *path, last = line.name.split(".")
        inner = document
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = _typed(key, line.value)
    return document


def _typed(key: Key, text: str) -> Any:
    """A switch, a whole number, a list or a mapping where the setting is one."""
    value = key.parse(text) if key.parse in _TYPED or key.parts else text
    return sorted(value) if isinstance(value, frozenset | tuple) else value
