"""The flag ``--tail``: a switch in Bacalhau, and here also a number of lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from gadus.cli.lazy import Command

from .values import Parsed

ALL = -1
"""It was not given."""
NEW = -2
"""It was given without a number: only what is written from now on."""
_NEW = "new"
_MOST_LINES = 2**31
# With -f before it in one word.
_SHORT = re.compile(r"-(f*)t")


class TailCommand(Command):
    """A command with ``--tail``, ``--tail 20`` and ``-t20``: a next word that is no number is not taken for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        return super().parse_args(ctx, [*_explicit(args[:end]), *args[end:]])


def _explicit(args: Sequence[str]) -> list[str]:
    words: list[str] = []
    for word, following in zip(args, [*args[1:], ""], strict=False):
        short = _SHORT.fullmatch(word)
        if (short or word == "--tail") and not (following.isascii() and following.isdigit()):
            words += [f"-{short[1]}"] if short and short[1] else []
            words.append(f"--tail={_NEW}")
        else:
            words.append(word)
    return words


def _lines(text: str) -> int:
    if text == _NEW:
        return NEW
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _MOST_LINES):
        raise ValueError(f"{text!r} is not a whole number from 0 to {_MOST_LINES}")
    return int(text)


LINES = Parsed("LINES", _lines, "20")
