"""The functions of templates, and how their values read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from .problem import clipped

Value = str | bool | int | list[str] | Mapping[str, str]

LARGEST_VALUE = 10_000_000
"""No text inside a template grows beyond this: pipelines of printf would double it again and again."""
_VERB = re.compile(r"%(.?)", re.DOTALL)


class Mistake(Exception):  # noqa: N818  # it never leaves the template modules; there it reads as what it is
    """The author of a template wrote something that does not work, at `line`."""

    def __init__(self, what: str, line: int, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.hint = hint


def is_true(value: Value) -> bool:
    return bool(value)


def text_of(value: Value, line: int) -> str:
    """The value as it stands in the output."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list):
        return f"[{' '.join(value)}]"
    raise Mistake("this stands for all variables: name one, e.g. {{.name}}", line)


def _not(arguments: Sequence[Value], line: int) -> Value:
    (value,) = _exactly(arguments, 1, "not", line)
    return not is_true(value)


def _eq(arguments: Sequence[Value], line: int) -> Value:
    first, *others = _at_least(arguments, 2, "eq", line)
    return any(_same(first, other) for other in others)


def _ne(arguments: Sequence[Value], line: int) -> Value:
    first, second = _exactly(arguments, 2, "ne", line)
    return not _same(first, second)


def _index(arguments: Sequence[Value], line: int) -> Value:
    container, key = _exactly(arguments, 2, "index", line)
    if isinstance(container, Mapping) and isinstance(key, str):
        return container.get(key, "")
    if isinstance(container, list) and isinstance(key, int) and not isinstance(key, bool):
        if not 0 <= key < len(container):
            raise Mistake(f"index {key} is outside a list of {len(container)}", line)
        return container[key]
    raise Mistake('index takes the variables and a name, or a list and a number: index . "name"', line)


def _split(arguments: Sequence[Value], line: int) -> Value:
    text, separator = _exactly(arguments, 2, "split", line)
    if not isinstance(text, str) or not isinstance(separator, str) or not separator:
        raise Mistake('split takes a text and what stands between its parts: split .names ","', line)
    # An empty text has no parts: range over it runs the else branch.
    return text.split(separator) if text else []


def _printf(arguments: Sequence[Value], line: int) -> Value:
    form, *values = _at_least(arguments, 1, "printf", line)
    if not isinstance(form, str):
        raise Mistake('printf takes a text first: printf "%s" .name', line)
    left = iter(values)
    size = 0

    def filled(match: re.Match[str]) -> str:
        nonlocal size
        if match[1] == "%":
            return "%"
        value = next(left, None)
        if value is None:
            raise Mistake(f"printf {clipped(form)!r} has more verbs than values", line)
        text = _formatted(match[1], value, line)
        size += len(text)
        if size > LARGEST_VALUE:
            raise Mistake(f"printf gives more than {LARGEST_VALUE} characters", line)
        return text

    text = _VERB.sub(filled, form)
    if next(left, None) is not None:
        raise Mistake(f"printf {clipped(form)!r} has fewer verbs than values", line)
    return text


def _formatted(verb: str, value: Value, line: int) -> str:
    match verb:
        case "v":
            return text_of(value, line)
        case "s" if isinstance(value, str | list):
            return text_of(value, line)
        case "d" if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        case "d" if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,100}", value):
            return value
        case "q" if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        case "s" | "d" | "q":
            raise Mistake(f"printf cannot write {clipped(repr(value))} as %{verb}: use %v", line)
    raise Mistake(f"printf does not know %{verb}: use %s, %d, %q, %v or %%", line)


def _same(first: Value, second: Value) -> bool:
    return type(first) is type(second) and first == second


def _exactly(arguments: Sequence[Value], count: int, function: str, line: int) -> Sequence[Value]:
    if len(arguments) != count:
        raise Mistake(f"{function} takes {count} values, not {len(arguments)}", line)
    return arguments


def _at_least(arguments: Sequence[Value], count: int, function: str, line: int) -> Sequence[Value]:
    if len(arguments) < count:
        raise Mistake(f"{function} takes at least {count} values, not {len(arguments)}", line)
    return arguments


FUNCTIONS: Mapping[str, Callable[[Sequence[Value], int], Value]] = {
    "eq": _eq,
    "index": _index,
    "ne": _ne,
    "not": _not,
    "printf": _printf,
    "split": _split,
}
"""All but `and` and `or`, which do not look at all of their arguments."""
