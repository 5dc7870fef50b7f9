"""One reason why a job cannot be run, and all of them as one error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .errors import InvalidSpec

PROBLEMS_SHOWN = 50
"""Nobody reads more; the rest is counted."""
_LONGEST_QUOTE = 80
_NAMES_SHOWN = 12

_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the field `where`, e.g. ``Tasks[0].Resources.CPU``; `line` is 0 when there is no file."""

    where: str
    what: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.where} (line {self.line}): {self.what}" if self.line else f"{self.where}: {self.what}"


def invalid(problems: Iterable[Problem], *, hint: str = "") -> InvalidSpec:
    """The error that tells all `problems`, each once, in the order of their lines."""
    lines = list(dict.fromkeys(str(problem) for problem in sorted(problems, key=lambda problem: problem.line)))
    if len(lines) > PROBLEMS_SHOWN:
        lines = [*lines[:PROBLEMS_SHOWN], f"and {len(lines) - PROBLEMS_SHOWN} more problems"]
    return InvalidSpec(lines, hint=hint)


def clipped(text: str) -> str:
    """`text` short enough to stand inside a message."""
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def nearest(name: str, names: Sequence[str]) -> str:
    """What to say to somebody who wrote `name` where only `names` are known."""
    known = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower()[:100], known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {known[close[0]]}?"
    if not names:
        return "there are none here"
    more = ", …" if len(names) > _NAMES_SHOWN else ""
    return f"known: {', '.join(clipped(known) for known in names[:_NAMES_SHOWN])}{more}"
