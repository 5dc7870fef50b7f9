"""Job documents with something changed at random: names, values, types, depth, twice the same, things left out."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

_WORDS = [
    "",
    " ",
    "docker",
    "wasm",
    "S3",
    "inline",
    "batch",
    "OPS",
    "None",
    "-1",
    "0x10",
    "\x00",
    "é\u202e",
    "a" * 3000,
    "../x",
    "{{.x}}",
]
_VALUES: list[Any] = [None, True, 0, -1, 2**63 - 1, -(2**63), 1.5, 1e308, [], {}, [[]], {"": None}, [None] * 50, *_WORDS]
_NAMES = [
    "Name",
    "name",
    "Tasks",
    "Params",
    "Type",
    "type ",
    "Key",
    "Values",
    "ID",
    "State",
    "Meta",
    "bacalhau.org/x",
    "",
    "Zzz",
    "$ref",
    "__class__",
]

Place = tuple[Any, Any]


def mutated(job: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy of `job` with one to four changes."""
    changed = copy.deepcopy(job)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        container, key = chance.choice(list(_places(changed)))
        _change(container, key, chance)
    return changed


def _change(container: Any, key: Any, chance: random.Random) -> None:
    match chance.randrange(8):
        case 0:
            del container[key]
        case 1:
            container[key] = copy.deepcopy(chance.choice(_VALUES))
        case 2 if isinstance(container, dict):
            container[_other_case(key, chance)] = container.pop(key)
        case 3 if isinstance(container, dict):
            container[_other_case(key, chance)] = copy.deepcopy(chance.choice((container[key], *_VALUES)))
        case 4 if isinstance(container, dict):
            container[chance.choice(_NAMES)] = copy.deepcopy(chance.choice(_VALUES))
        case 5 if isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        case 6:
            for _ in range(chance.choice((1, 5, 40, 70))):
                container[key] = {"x": container[key]} if chance.random() < 0.5 else [container[key]]
        case _:
            value = container[key]
            container[key] = str(value) if not isinstance(value, str) else value + chance.choice(_WORDS)


def _other_case(key: str, chance: random.Random) -> str:
    return "".join(chance.choice((one.lower(), one.upper())) for one in key)


def _places(value: Any) -> Iterator[Place]:
    """Every place in `value` at which something stands."""
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)
    if not pairs and isinstance(value, dict):
        value["x"] = None
        yield value, "x"
