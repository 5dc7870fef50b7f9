"""Kinds of values that flags take, with mistakes told by flag, value and way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from gadus.cli.lazy import UsageMistake
from gadus.core.errors import InvalidSpec

# As in `sh -c`, `sed -e`, `ls -l`: without `--` they are taken for ours.
_OFTEN_THE_PROGRAMS = ("-c", "-e", "-l")


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
            raise self._mistake(exc.problems, exc.hint, param, ctx) from exc
        except ValueError as exc:
            raise self._mistake([str(exc)], "", param, ctx) from exc

    def _mistake(
        self, problems: Sequence[str], hint: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> UsageMistake:
        flag = "/".join(param.opts) if param else self.name
        hint = hint or f"for example {flag.rpartition('/')[2]} {self._example}"
        short = next((name for name in param.opts if name in _OFTEN_THE_PROGRAMS), "") if param else ""
        if short and ctx and ctx.info_name == "run":
            hint += f"; if {short} belongs to the program, put `--` before the program's own words"
        # The parsers of the flags' small languages name the usual short flag themselves; here the flag may be another.
        told = [line.removeprefix(f"{_usual_flag(line)} ") for line in problems]
        return UsageMistake(f"{flag}: {'; '.join(told)}", hint=hint, ctx=ctx)


def _usual_flag(problem: str) -> str:
    first = problem.partition(" ")[0]
    return first if len(first) == 2 and first.startswith("-") else ""


def whole(smallest: int, largest: int, example: str) -> Parsed:
    """A whole number between the two."""

    def parse(text: str) -> int:
        digits = text.strip()
        number = digits.removeprefix("-")
        if not (number.isascii() and number.isdigit() and len(number) < 19 and smallest <= int(digits) <= largest):
            raise ValueError(f"{text!r} is not a whole number from {smallest} to {largest}")
        return int(digits)

    return Parsed("number", parse, example)
