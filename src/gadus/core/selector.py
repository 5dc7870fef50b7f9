"""Labels and requirements on labels, in the syntax of Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gadus.core.errors import InvalidSpec
from gadus.core.jobfile.decode import decode_params
from gadus.core.problem import clipped
from gadus.core.spec import Constraint

_LONGEST_PREFIX = 253
_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_TOKEN = re.compile(r"\s*(!=|==|[=!<>(),]|[^\s=!<>(),]+)")
_OPERATORS = {"=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt", "in": "in", "notin": "notin"}
_EXAMPLE = "write e.g. Architecture=amd64, zone in (a,b), !gpu, cores>4"


def parse_labels(texts: Sequence[str]) -> dict[str, str]:
    """Labels from ``-l k=v,k2``; one without a value has the empty one. Raises InvalidSpec with all that break the syntax."""
    labels: dict[str, str] = {}
    problems: list[str] = []
    for part in (part.strip() for text in texts for part in text.split(",")):
        key, _, value = part.partition("=")
        problem = (_key_problem(key.strip()) or _value_problem(value.strip())) if part else ""
        if problem:
            problems.append(f"{clipped(part)}: {problem}")
        elif part:
            labels[key.strip()] = value.strip()
    if problems:
        raise InvalidSpec(problems)
    return labels


def parse_constraints(text: str) -> tuple[Constraint, ...]:
    """
    Requirements from ``-c``, all of which must hold; nothing for blank text.

    ``k=v``, ``k==v``, ``k!=v``, ``k in (a,b)``, ``k notin (a)``, ``k`` (is there), ``!k`` (is not), ``k>1``, ``k<1``.
    Raises InvalidSpec.
    """
    tokens = _Tokens(text)
    constraints: list[Constraint] = []
    while tokens.left:
        constraints.append(_requirement(tokens))
        if tokens.left and tokens.take() != ",":
            raise tokens.wrong("a comma separates requirements")
    return tuple(constraints)


class _Tokens:
    """The words and signs of a selector, taken one by one."""

    def __init__(self, text: str) -> None:
        self._text = clipped(text)
        self.left = [match[1] for match in _TOKEN.finditer(text)][::-1]

    def take(self) -> str:
        """The next one, "" at the end."""
        return self.left.pop() if self.left else ""

    def wrong(self, what: str) -> InvalidSpec:
        return InvalidSpec([f"{self._text}: {what}"], hint=_EXAMPLE)

    @property
    def ahead(self) -> str:
        return self.left[-1] if self.left else ""


def _requirement(tokens: _Tokens) -> Constraint:
    absent = tokens.ahead == "!"
    if absent:
        tokens.take()
    key = tokens.take()
    if problem := _key_problem(key):
        raise tokens.wrong(f"{clipped(key) or 'a key'}: {problem}")
    operator, values = ("!", []) if absent else ("exists", [])
    if tokens.ahead not in ("", ",") and not absent:
        sign = tokens.take()
        if sign not in _OPERATORS:
            raise tokens.wrong(f"{clipped(sign)!r} is not an operator: use =, ==, !=, in, notin, > or <")
        operator = _OPERATORS[sign]
        values = list(_listed(tokens, sign)) if sign in ("in", "notin") else [_value(tokens)]
    # What is compared as a number may be negative, and is checked as a number.
    for value in values if operator not in ("gt", "lt") else ():
        if problem := _value_problem(value):
            raise tokens.wrong(f"{clipped(value)}: {problem}")
    fields = {"Key": key, "Operator": operator, "Values": values}
    return decode_params(Constraint, fields, clipped(key))


def _listed(tokens: _Tokens, operator: str) -> Iterator[str]:
    """The values between parentheses."""
    if tokens.take() != "(":
        raise tokens.wrong(f"{operator} takes its values in parentheses: {operator} (a,b)")
    while tokens.ahead != ")":
        yield _value(tokens)
        if tokens.ahead == ",":
            tokens.take()
        elif tokens.ahead != ")":
            raise tokens.wrong("a ) is missing")
    tokens.take()


def _value(tokens: _Tokens) -> str:
    """A value, which may be the empty one."""
    return "" if tokens.ahead in ("", ",", ")") else tokens.take()


def _key_problem(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix)):
        return "what stands before the / must be a domain name in lower case"
    if not _NAME.fullmatch(name):
        return "a label's key is 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
    return ""


def _value_problem(value: str) -> str:
    if value and not _NAME.fullmatch(value):
        return "a label's value is at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
    return ""
