"""
Fills in a job file's template: the part of Go's text/template that job files use.

Values are text; `split` gives lists of texts, comparisons give true or false. What is here::

    {{.name}}  {{$.name}}  {{index . "name"}}  {{"text"}}  {{`text`}}  {{7}}  {{true}}  {{/* comment */}}  {{- trim -}}
    {{if P}} … {{else if P}} … {{else}} … {{end}}   {{with P}} … {{else}} … {{end}}
    {{range split .list ","}} … {{.}} … {{else}} … {{end}}
    {{or A B}}  {{and A B}}  {{not A}}  {{eq A B …}}  {{ne A B}}  {{split A ","}}
    {{printf "%s-%d %q %v %%" A B C D}}  {{.name | printf "%q"}}

Empty text, 0, false and empty lists count as false. As in Go, `.name` must be defined, while ``index . "name"`` gives empty
text when it is not: ``{{or (index . "name") "default"}}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gadus.core.problem import nearest

from .functions import FUNCTIONS, Place, Value, is_true, kind_of, text_of
from .parser import LARGEST_TEXT, Block, Call, Dot, Field, Literal, Node, Operand, Root, Text, parse

_LARGEST_COST = 500_000
_CHARACTERS_PER_COST = 100


def render(text: str, variables: Mapping[str, str], name: str) -> str:
    """
    `text` with its actions replaced; text without ``{{`` stays as it is.

    Raises InvalidSpec, which speaks of the template as `name` and gives the line, also when the result gets too large.
    """
    if "{{" not in text:
        return text
    rendering = _Rendering(variables)
    rendering.nodes(parse(text, name), variables)
    return "".join(rendering.output)


class _Rendering:
    """One walk over a template, with a bound on what it may cost: nested ranges multiply."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.output: list[str] = []
        self._size = 0
        self._cost = 0
        self._variables = variables

    def nodes(self, nodes: Sequence[Node], dot: Value) -> None:
        for node in nodes:
            self._spend(node.at)
            if isinstance(node, Text):
                self._write(node.text, node.at)
            elif isinstance(node, Block):
                self._block(node, dot)
            else:
                self._write(text_of(self._value(node, dot), node.at), node.at)

    def _block(self, block: Block, dot: Value) -> None:
        value = self._value(block.condition, dot)
        if block.keyword == "range":
            if not isinstance(value, list):
                raise block.at.wrong(f'range goes over a list, e.g. split .names ",", not over {kind_of(value)}')
            for item in value:
                self.nodes(block.body, item)
            if not value:
                self.nodes(block.otherwise, dot)
        elif is_true(value):
            self.nodes(block.body, value if block.keyword == "with" else dot)
        else:
            self.nodes(block.otherwise, dot)

    def _value(self, operand: Operand, dot: Value) -> Value:
        self._spend(operand.at)
        match operand:
            case Literal():
                return operand.value
            case Dot():
                return dot
            case Root():
                return self._variables
            case Field():
                return _field(self._value(operand.of, dot), operand)
            case Call("or" | "and"):
                return self._first(operand, dot)
            case Call():
                arguments = [self._value(argument, dot) for argument in operand.arguments]
                value = FUNCTIONS[operand.function](arguments, operand.at)
                self._spend(operand.at, sum(_size(each) for each in (*arguments, value)))
                return value

    def _first(self, call: Call, dot: Value) -> Value:
        """Like Go, `or` and `and` stop at the first argument that decides."""
        value: Value = ""
        for argument in call.arguments:
            value = self._value(argument, dot)
            if is_true(value) == (call.function == "or"):
                break
        return value

    def _write(self, text: str, at: Place) -> None:
        self._size += len(text)
        if self._size > LARGEST_TEXT:
            raise at.wrong(f"the template gives more than {LARGEST_TEXT} characters")
        self.output.append(text)

    def _spend(self, at: Place, characters: int = 0) -> None:
        self._cost += 1 + characters // _CHARACTERS_PER_COST
        if self._cost > _LARGEST_COST:
            raise at.wrong("the template takes too many steps: range over less")


def _size(value: Value) -> int:
    """About how many characters it takes to make `value`; a list's items cost more than their characters."""
    if isinstance(value, list):
        return len(value) * _CHARACTERS_PER_COST
    return len(value) if isinstance(value, str) else 0


def _field(value: Value, field: Field) -> Value:
    if not isinstance(value, Mapping):
        raise field.at.wrong(f"{kind_of(value)} has no field .{field.name}: write $.{field.name} for a variable")
    if field.name in value:
        return value[field.name]
    what = f"template variable {field.name!r} is not defined (map has no entry for key)"
    if value:
        what = f"{what}; {nearest(field.name, list(value))}"
    raise field.at.wrong(what, hint=f"give it with -V {field.name}=value, or take the text as it is with --no-template")
