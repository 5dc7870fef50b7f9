"""Kinds of values that flags take, with mistakes told by flag, value and way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gadus.core.errors import InvalidSpec

from .lazy import UsageMistake


class Parsed(click.ParamType[Any]):
    """A flag's text read by `parse`; what that refuses becomes a mistake that names the flag and the way out."""

    def __init__(self, name: str, parse: Callable[[str], Any], example: str) -> None:
        self.name = name
        self._parse = parse
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except InvalidSpec as exc:
            raise self._mistake("; ".join(exc.problems), exc.hint, param, ctx) from exc
        except ValueError as exc:
            raise self._mistake(str(exc), "", param, ctx) from exc

    def _mistake(self, problem: str, hint: str, param: click.Parameter | None, ctx: click.Context | None) -> UsageMistake:
        flag = "/".join(param.opts) if param else self.name
        hint = hint or f"for example {flag.rpartition('/')[2]} {self._example}"
        short = next((name for name in param.opts if len(name) == 2), "") if param else ""
        if short and ctx and ctx.info_name == "run":
            hint += f"; if {short} belongs to the program, put `--` before the program's own words"
        return UsageMistake(f"{flag}: {problem}", hint=hint, ctx=ctx)


def whole(smallest: int, largest: int, example: str) -> Parsed:
    """A whole number between the two."""

    def parse(text: str) -> int:
        digits = text.strip()
        number = digits.removeprefix("-")
        if not (number.isascii() and number.isdigit() and len(number) < 19 and smallest <= int(digits) <= largest):
            raise ValueError(f"{text!r} is not a whole number from {smallest} to {largest}")
        return int(digits)

    return Parsed("number", parse, example)
