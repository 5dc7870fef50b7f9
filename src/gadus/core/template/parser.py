"""
Reads the text of a template into nodes.

    template = (text | "{{" action "}}")*
    action   = pipeline | ("if" | "with" | "range") pipeline | "else" ["if" pipeline] | "end" | comment
    pipeline = command ("|" command)*              the value of each goes to the end of the next one's arguments
    command  = function operand* | operand
    operand  = ("." | "$" | field | literal | "(" pipeline ")") field*
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gadus.core.problem import clipped, nearest

from .functions import FUNCTIONS, Place
from .tokens import LITERAL_HINT, Token, parts_of

LARGEST_TEXT = 10_000_000
"""In characters, of a template and of what it gives."""
_DEEPEST = 64
_MOST_PARTS = 100_000
_KEYWORDS = frozenset(("if", "with", "range"))
_NAMES = (*sorted(FUNCTIONS), "and", "or")
_ESCAPE = re.compile(r'\\(?:([abfnrtv"\'\\])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))', re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "'": "'", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    at: Place


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | bool
    at: Place


@dataclass(frozen=True, slots=True)
class Dot:
    """The current value: the variables, or what `with` and `range` made of it."""

    at: Place


@dataclass(frozen=True, slots=True)
class Root:
    """The variables, wherever it stands."""

    at: Place


@dataclass(frozen=True, slots=True)
class Field:
    of: Operand
    name: str
    at: Place


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Operand, ...]
    at: Place


@dataclass(slots=True)
class Block:
    """if, with or range; `otherwise` is what follows its else."""

    keyword: str
    condition: Operand
    at: Place
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


Operand = Literal | Dot | Root | Field | Call
Node = Text | Block | Literal | Dot | Root | Field | Call


def parse(text: str, name: str) -> list[Node]:
    """The nodes of the template `text`. Raises InvalidSpec with the line of what cannot be read."""
    if len(text) > LARGEST_TEXT:
        raise Place(name, 1).wrong(f"has {len(text)} characters, {LARGEST_TEXT} are allowed")
    tree = _Tree()
    for number, (at, part) in enumerate(parts_of(text, name)):
        if number >= _MOST_PARTS:
            raise at.wrong(f"the template has more than {_MOST_PARTS} texts and actions")
        if isinstance(part, str):
            tree.current.append(Text(part, at))
        else:
            _act(tree, part, at)
    tree.finish()
    return tree.nodes


class _Tree:
    """What was read so far, and the blocks that still wait for their end."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.current = self.nodes
        # Each open block, the list it stands in, and whether the `end` of the block in it closes it too (else if).
        self._open: list[tuple[Block, list[Node], bool]] = []

    def open(self, block: Block, *, chained: bool = False) -> None:
        if len(self._open) >= _DEEPEST:
            raise block.at.wrong(f"blocks are nested deeper than {_DEEPEST} levels")
        self.current.append(block)
        self._open.append((block, self.current, chained))
        self.current = block.body

    def otherwise(self, at: Place) -> Block:
        block = self._open[-1][0] if self._open else None
        if block is None or self.current is block.otherwise:
            raise at.wrong("else belongs into an if, with or range that has none yet")
        self.current = block.otherwise
        return block

    def close(self, at: Place) -> None:
        if not self._open:
            raise at.wrong("end closes nothing: there is no open if, with or range")
        chained = True
        while chained:
            _, self.current, chained = self._open.pop()

    def finish(self) -> None:
        if self._open:
            block = self._open[-1][0]
            raise block.at.wrong(f"{{{{{block.keyword} …}}}} has no {{{{end}}}}")


def _act(tree: _Tree, tokens: list[Token], at: Place) -> None:
    """Add what one action says to `tree`."""
    words = [token.text for token in tokens[:2] if token.kind == "word"]
    match words:
        case [keyword, *_] if keyword in _KEYWORDS:
            tree.open(Block(keyword, _Operands(tokens[1:], at).pipeline(), at))
        case ["else", "if"]:
            above = tree.otherwise(at)
            if above.keyword != "if":
                raise at.wrong(f"else if does not belong into {above.keyword}")
            tree.open(Block("if", _Operands(tokens[2:], at).pipeline(), at), chained=True)
        case ["else"] if len(tokens) == 1:
            tree.otherwise(at)
        case ["end"] if len(tokens) == 1:
            tree.close(at)
        case _:
            tree.current.append(_Operands(tokens, at).pipeline())


class _Operands:
    """Reads the pipeline of one action."""

    def __init__(self, tokens: Sequence[Token], at: Place) -> None:
        self._tokens = tokens
        self._next = 0
        self._at = at
        self._depth = 0

    def pipeline(self) -> Operand:
        """The whole of the tokens."""
        operand = self._piped()
        if self._peek() is not None:
            raise self._at.wrong("there is a ) too many")
        return operand

    def _piped(self) -> Operand:
        operand = self._command(None)
        while self._peek() == "|":
            self._deepen()
            self._next += 1
            operand = self._command(operand)
        return operand

    def _command(self, piped: Operand | None) -> Operand:
        if self._peek() in (None, "|", ")"):
            raise self._at.wrong("a value is missing here")
        token = self._tokens[self._next]
        if token.kind != "word" or token.text in ("true", "false"):
            operand = self._operand()
            if piped is not None or self._peek() not in (None, "|", ")"):
                raise self._at.wrong("only functions take values", hint=f"functions are {', '.join(_NAMES)}")
            return operand
        self._next += 1
        if token.text not in _NAMES:
            what = f"{clipped(token.text)!r} is not a function of templates; {nearest(token.text, _NAMES)}"
            raise self._at.wrong(what, hint=f"functions are {', '.join(_NAMES)}; {LITERAL_HINT}")
        arguments: list[Operand] = []
        while self._peek() not in (None, "|", ")"):
            arguments.append(self._operand())
        if piped is not None:
            arguments.append(piped)
        if not arguments:
            raise self._at.wrong(f"{token.text} needs values: {token.text} .name …")
        return Call(token.text, tuple(arguments), self._at)

    def _operand(self) -> Operand:
        operand = self._simple()
        while self._next < len(self._tokens) and self._tokens[self._next].kind == "field" and self._tokens[self._next].glued:
            self._deepen()
            operand = Field(operand, self._tokens[self._next].text[1:], self._at)
            self._next += 1
        return operand

    def _simple(self) -> Operand:
        token = self._tokens[self._next]
        self._next += 1
        match token.kind, token.text:
            case "text", text:
                return Literal(text[1:-1] if text.startswith("`") else _unescaped(text[1:-1], self._at), self._at)
            case "number", text:
                return Literal(int(text), self._at)
            case "word", "true" | "false":
                return Literal(token.text == "true", self._at)
            case "field", text:
                return Field(Dot(self._at), text[1:], self._at)
            case "sign", ".":
                return Dot(self._at)
            case "sign", "$":
                following = self._tokens[self._next] if self._next < len(self._tokens) else None
                if following is not None and following.kind == "word" and following.glued:
                    raise self._at.wrong("templates here have no variables of their own such as $x: give values with -V")
                return Root(self._at)
            case "sign", "(":
                self._deepen()
                operand = self._piped()
                if self._peek() != ")":
                    raise self._at.wrong("a ) is missing")
                self._next += 1
                return operand
        raise self._at.wrong(f"a value was expected, not {clipped(token.text)!r}: put what a function gives in parentheses")

    def _peek(self) -> str | None:
        """The next token's text; None at the end."""
        # A quoted ")" or "|" is a value; its quotes keep it apart here.
        return self._tokens[self._next].text if self._next < len(self._tokens) else None

    def _deepen(self) -> None:
        """Keep what is read, and the walk over it, within Python's stack."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._at.wrong(f"one action holds at most {_DEEPEST} parentheses, pipes and chained fields")


def _unescaped(text: str, at: Place) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return _ESCAPES[match[1]]
        if match[4]:
            raise at.wrong(f"{match[0]!r} is not an escape: write \\\\ for a backslash, or take `…` around the text")
        return chr(int(match[2] or match[3], 16))

    return _ESCAPE.sub(plain, text)
