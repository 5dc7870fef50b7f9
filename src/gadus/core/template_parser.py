"""
Reads the text of a template into nodes.

    template = (text | "{{" action "}}")*
    action   = pipeline | ("if" | "with" | "range") pipeline | "else" ["if" pipeline] | "end" | comment
    pipeline = command ("|" command)*              the value of each goes to the end of the next one's arguments
    command  = function operand* | operand
    operand  = ("." | "$" | field | literal | "(" pipeline ")") field*
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .problem import clipped
from .shape import nearest
from .template_functions import FUNCTIONS, Mistake

LARGEST_TEXT = 10_000_000
"""In characters, of a template and of what it gives."""
_DEEPEST = 64
_KEYWORDS = frozenset(("if", "with", "range"))
_NAMES = (*sorted(FUNCTIONS), "and", "or")
_OPENING = re.compile(r"\{\{(?:(-)(?=\s))?(?:\s*(/\*))?")
_TOKEN = re.compile(
    r"""(?P<blank>\s+(?!-\}\}))|(?P<end>\s*(?P<trim>(?<=\s)-)?\}\})|(?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)"""
    r"""|(?P<field>\.[^\W\d]\w*)|(?P<number>[-+]?[0-9]{1,18}\b)|(?P<word>[^\W\d]\w*)|(?P<sign>[.$|()])"""
)
_ESCAPE = re.compile(r'\\(?:([abfnrtv"\'\\])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))', re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "'": "'", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | bool
    line: int


@dataclass(frozen=True, slots=True)
class Dot:
    """The current value: the variables, or what `with` and `range` made of it."""

    line: int


@dataclass(frozen=True, slots=True)
class Root:
    """The variables, wherever it stands."""

    line: int


@dataclass(frozen=True, slots=True)
class Field:
    of: Operand
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Operand, ...]
    line: int


@dataclass(slots=True)
class Block:
    """if, with or range; `otherwise` is what follows its else."""

    keyword: str
    condition: Operand
    line: int
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


Operand = Literal | Dot | Root | Field | Call
Node = Text | Block | Literal | Dot | Root | Field | Call
_Token = tuple[str, str]
