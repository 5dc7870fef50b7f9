"""What a single word of a YAML file stands for."""

from __future__ import annotations

import math
import re

from gadus.core.problem import clipped

Scalar = str | int | float | bool | None

_LARGEST_INTEGER = 2**63
_LONGEST_NUMBER = 100
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?[eE][-+]?[0-9]+")
_TRUE = frozenset(("yes", "true", "on"))
_BASES = {"0b": 2, "0x": 16}


def scalar(kind: str, text: str, *, plain: bool) -> Scalar:
    """The value of `text` with the YAML type `kind`; ValueError with the reason when job files have no such type."""
    if kind in ("int", "float") and plain and ":" in text:
        return text
    if kind == "str" and plain and _JSON_NUMBER.fullmatch(text):
        kind = "float"
    match kind:
        # Unquoted = and << have YAML types of their own; in a constraint's Operator they are just text.
        case "str" | "value" | "merge":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int":
            return _integer(text)
        case "float":
            return _float(text)
        case "timestamp":
            raise ValueError(f'{clipped(text)} is a date in YAML: write "{clipped(text)}"')
    shown = kind if kind.startswith("!") else f"!!{kind}"
    raise ValueError(f"the YAML type {clipped(shown)} is not used in job files")


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    base = _BASES.get(digits[:2], 8 if digits.startswith("0") and len(digits) > 1 else 10)
    try:
        value = sign * int(digits[2:] if base in _BASES.values() else digits, base) if len(digits) <= _LONGEST_NUMBER else None
    except ValueError as exc:
        raise ValueError(f"{clipped(text)} is not a whole number") from exc
    if value is None or not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        raise ValueError(f"{clipped(text)} does not fit into a signed 64-bit number")
    return value


def _float(text: str) -> float:
    try:
        value = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError as exc:
        raise ValueError(f"{clipped(text)} is not a number") from exc
    if not math.isfinite(value):
        raise ValueError(f"{clipped(text)} is not a finite number")
    return value
