"""Cuts the text of a template into plain texts and the tokens of its actions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .functions import Place

LITERAL_HINT = "text with {{ that is no template goes in with --no-template"

_MOST_TOKENS = 10_000
_OPENING = re.compile(r"\{\{(-(?=\s))?")
_COMMENT = re.compile(r"\s*/\*")
_COMMENT_END = re.compile(r"\*/(\s+-\}\}|\s*\}\})")
_TOKEN = re.compile(
    r"""(?P<end>\s+-\}\}|\s*\}\})|(?P<blank>\s+)|(?P<text>"(?:[^"\\\n]++|\\.)*+"|`[^`]*`)"""
    r"""|(?P<field>\.[^\W\d]\w*)|(?P<number>[-+]?[0-9]{1,18}\b)|(?P<word>[^\W\d]\w*)|(?P<sign>:=|[.$|(),=])"""
)


@dataclass(frozen=True, slots=True)
class Token:
    """`glued` when no blank stands before it: `.a.b` is one operand, `.a .b` are two."""

    kind: str
    text: str
    glued: bool


def parts_of(text: str, name: str) -> Iterator[tuple[Place, str | list[Token]]]:
    """Texts, already trimmed, and the tokens of actions."""
    line, start, trims = 1, 0, False
    while (opening := _OPENING.search(text, start)) is not None:
        before = text[start : opening.start()]
        trimmed = before.lstrip() if trims else before
        trimmed = trimmed.rstrip() if opening[1] else trimmed
        if trimmed:
            yield Place(name, line), trimmed
        at = Place(name, line + before.count("\n"))
        comment = _COMMENT.match(text, opening.end())
        if comment:
            ending = _COMMENT_END.search(text, comment.end())
            if ending is None:
                raise at.wrong("the comment {{/* has no */}}")
            end, trims = ending.end(), "-" in ending[1]
        else:
            tokens, end, trims = _tokens(text, opening.end(), at)
            yield at, tokens
        line = at.line + text.count("\n", opening.start(), end)
        start = end
    rest = text[start:].lstrip() if trims else text[start:]
    if rest:
        yield Place(name, line), rest


def _tokens(text: str, start: int, at: Place) -> tuple[list[Token], int, bool]:
    """The tokens up to the end of the action, where it ends, and whether it trims the text after it."""
    tokens: list[Token] = []
    glued = False
    while (match := _TOKEN.match(text, start)) is not None:
        kind = match.lastgroup or ""
        if kind == "end":
            return tokens, match.end(), "-" in match[0]
        if kind != "blank":
            tokens.append(Token(kind, match[0], glued))
            if len(tokens) > _MOST_TOKENS:
                raise at.wrong(f"the action has more than {_MOST_TOKENS} words")
        glued = kind != "blank"
        start = match.end()
    rest = text[start : start + 20]
    if not rest:
        raise at.wrong("the action has no }}", hint=LITERAL_HINT)
    raise at.wrong(f"the action cannot be read from {rest!r} on", hint=LITERAL_HINT)
