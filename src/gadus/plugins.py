"""Finds engines and sources by the word that users type; a module is loaded on first use."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from gadus.core.errors import InvalidSpec

Room = Literal["engines", "storage"]
_CLASS = {"engines": "Engine", "storage": "Source"}
_ALIASES = {"storage": {"url": "urldownload"}, "engines": {}}


@cache
def names(room: Room) -> tuple[str, ...]:
    """Every name usable in `room`: our own modules and the entry points of the group ``gadus.<room>``."""
    own = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / room)])]
    foreign = [point.name.lower() for point in entry_points(group=f"gadus.{room}")]
    return tuple(sorted(name for name in {*own, *foreign} if not name.startswith("_")))


@cache
def load(room: Room, name: str) -> Any:
    """
    The class behind `name` (in any case), e.g. ``load("engines", "docker")``.

    Raises InvalidSpec that lists what there is.
    """
    wanted = _ALIASES[room].get(name.lower(), name.lower())
    if wanted not in names(room):
        kind = "engine" if room == "engines" else "source"
        raise InvalidSpec([f"{name!r} is no {kind} of this installation: use {' or '.join(names(room))}"])
    for point in entry_points(group=f"gadus.{room}"):
        if point.name.lower() == wanted:
            return point.load()
    return getattr(import_module(f"gadus.{room}.{wanted}"), _CLASS[room])
