"""The functions of templates, and how their values read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gadus.core.errors import InvalidSpec
from gadus.core.problem import Problem, clipped, invalid

Value = str | bool | int | list[str] | Mapping[str, str]

LARGEST_VALUE = 10_000_000
"""No text inside a template grows beyond this: pipelines of printf would double it again and again."""
_VERB = re.compile(r"%(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which template something stands."""

    name: str
    line: int

    def wrong(self, what: str, *, hint: str = "") -> InvalidSpec:
        """The error to raise when `what` is wrong here."""
        return invalid([Problem(self.name, what, self.line)], hint=hint)


def is_true(value: Value) -> bool:
    return bool(value)


def kind_of(value: Value) -> str:
    """What a value is called in messages; the value itself may be a secret from the environment."""
    if isinstance(value, bool):
        return "true or false"
    kinds: tuple[tuple[type, str], ...] = ((str, "a text"), (int, "a number"), (list, "a list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "all variables")


def text_of(value: Value, at: Place) -> str:
    """The value as it stands in the output."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list):
        return f"[{' '.join(value)}]"
    raise at.wrong("this stands for all variables: name one, e.g. {{.name}}")


def _not(arguments: Sequence[Value], at: Place) -> Value:
    (value,) = _exactly(arguments, 1, "not", at)
    return not is_true(value)


def _eq(arguments: Sequence[Value], at: Place) -> Value:
    first, *others = _at_least(arguments, 2, "eq", at)
    return any(_same(first, other) for other in others)


def _ne(arguments: Sequence[Value], at: Place) -> Value:
    first, second = _exactly(arguments, 2, "ne", at)
    return not _same(first, second)


def _index(arguments: Sequence[Value], at: Place) -> Value:
    container, key = _exactly(arguments, 2, "index", at)
    if isinstance(container, Mapping) and isinstance(key, str):
        return container.get(key, "")
    if isinstance(container, list) and isinstance(key, int) and not isinstance(key, bool):
        if not 0 <= key < len(container):
            raise at.wrong(f"index {key} is outside a list of {len(container)}")
        return container[key]
    raise at.wrong('index takes the variables and a name, or a list and a number: index . "name"')


def _split(arguments: Sequence[Value], at: Place) -> Value:
    text, separator = _exactly(arguments, 2, "split", at)
    if not isinstance(text, str) or not isinstance(separator, str) or not separator:
        raise at.wrong('split takes a text and what stands between its parts: split .names ","')
    # An empty text has no parts: range over it runs the else branch.
    return text.split(separator) if text else []


def _printf(arguments: Sequence[Value], at: Place) -> Value:
    form, *values = _at_least(arguments, 1, "printf", at)
    if not isinstance(form, str):
        raise at.wrong('printf takes a text first: printf "%s" .name')
    left = iter(values)
    size = 0

    def filled(match: re.Match[str]) -> str:
        nonlocal size
        if match[1] == "%":
            return "%"
        value = next(left, None)
        if value is None:
            raise at.wrong(f"printf {clipped(form)!r} has more verbs than values")
        text = _formatted(match[1], value, at)
        size += len(text)
        if size > LARGEST_VALUE:
            raise at.wrong(f"printf gives more than {LARGEST_VALUE} characters")
        return text

    text = _VERB.sub(filled, form)
    if next(left, None) is not None:
        raise at.wrong(f"printf {clipped(form)!r} has fewer verbs than values")
    return text


def _formatted(verb: str, value: Value, at: Place) -> str:
    match verb:
        case "v":
            return text_of(value, at)
        case "s" if isinstance(value, str | list):
            return text_of(value, at)
        case "d" if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        case "d" if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,100}", value):
            return value
        case "q" if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        case "s" | "d" | "q":
            raise at.wrong(f"printf cannot write {kind_of(value)} as %{verb}: use %v")
    raise at.wrong(f"printf does not know %{verb}: use %s, %d, %q, %v or %%")


def _same(first: Value, second: Value) -> bool:
    return type(first) is type(second) and first == second


def _exactly(arguments: Sequence[Value], count: int, function: str, at: Place) -> Sequence[Value]:
    if len(arguments) != count:
        raise at.wrong(f"{function} takes {count} values, not {len(arguments)}")
    return arguments


def _at_least(arguments: Sequence[Value], count: int, function: str, at: Place) -> Sequence[Value]:
    if len(arguments) < count:
        raise at.wrong(f"{function} takes at least {count} values, not {len(arguments)}")
    return arguments


FUNCTIONS: Mapping[str, Callable[[Sequence[Value], Place], Value]] = {
    "eq": _eq,
    "index": _index,
    "ne": _ne,
    "not": _not,
    "printf": _printf,
    "split": _split,
}
"""All but `and` and `or`, which do not look at all of their arguments."""
