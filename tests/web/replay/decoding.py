"""Decodes answers as Bacalhau's command does: a value of another kind than the field has makes it refuse the whole answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Decode = Callable[[Any, str], Any]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)")


class Fraction(float):
    """A number that was written with a point or an exponent: no integer, whatever its value."""


class Refused(AssertionError):
    """The command would refuse the answer."""


def parsed(text: bytes) -> Any:
    return json.loads(text, parse_float=Fraction)


def check(holds: bool, where: str, what: str, value: Any) -> None:
    if not holds:
        raise Refused(f"{where}: {value!r} is not {what}")


def text(value: Any, where: str) -> Any:
    check(isinstance(value, str | None), where, "a string", value)
    return value or ""


def flag(value: Any, where: str) -> Any:
    check(isinstance(value, bool | None), where, "a bool", value)
    return bool(value)


def whole(value: Any, where: str) -> Any:
    check(value is None or (type(value) is int and -(2**63) <= value < 2**63), where, "an int64", value)
    return value or 0


def natural(value: Any, where: str) -> Any:
    check(value is None or (type(value) is int and 0 <= value < 2**64), where, "a uint64", value)
    return value or 0


def real(value: Any, where: str) -> Any:
    check(value is None or type(value) in (int, Fraction), where, "a float64", value)
    return value or 0


def moment(value: Any, where: str) -> Any:
    check(value is None or (isinstance(value, str) and _TIME.fullmatch(value) is not None), where, "a time with a zone", value)
    return value


def anything(value: Any, where: str) -> Any:
    return value


def words(*known: str, lenient: bool = False) -> Decode:
    """A state by its name, in any case; `lenient`: another word is read as the first."""

    def decode(value: Any, where: str) -> Any:
        check(isinstance(value, str), where, "a word", value)
        found = next((one for one in known if one.lower() == value.lower()), known[0] if lenient else None)
        check(found is not None, where, f"one of {known}", value)
        return found

    return decode


def each(item: Decode) -> Decode:
    def decode(value: Any, where: str) -> Any:
        check(isinstance(value, list | None), where, "a slice", value)
        return [item(one, f"{where}[{number}]") for number, one in enumerate(value or [])]

    return decode


def by_name(item: Decode) -> Decode:
    def decode(value: Any, where: str) -> Any:
        check(isinstance(value, dict | None), where, "a map", value)
        return {name: item(one, f"{where}.{name}") for name, one in (value or {}).items()}

    return decode


def struct(**fields: Decode) -> Decode:
    """Fields by name in any case, the later of two wins; unknown ones are left out, absent ones keep their zero."""
    by_fold = {name.lower(): (name, decode) for name, decode in fields.items()}

    def decode(value: Any, where: str) -> Any:
        check(isinstance(value, dict | None), where, "a struct", value)
        if value is None:
            return None
        found: dict[str, Any] = {}
        for key, inner in value.items():
            if key.lower() in by_fold:
                name, field = by_fold[key.lower()]
                found[name] = field(inner, f"{where}.{name}")
        return found

    return decode


def embedding(base: Decode, **fields: Decode) -> Decode:
    """The fields of another struct, and more."""

    def decode(value: Any, where: str) -> Any:
        return (base(value, where) or {}) | (struct(**fields)(value, where) or {})

    return decode
