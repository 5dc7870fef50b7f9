"""Turns the text of a YAML or JSON file into plain data that still knows its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml
from yaml import events
from yaml.resolver import Resolver

from gadus.core.errors import InvalidSpec
from gadus.core.problem import Problem, clipped, invalid

from .scalars import Scalar, scalar

LARGEST_BYTES = 10_000_000
"""A longer file is taken for a mistake: data belongs into inputs."""
DEEPEST = 64
"""No job is nested further; it also keeps every walk over a document within Python's stack."""

# What a document may hold with its aliases written out: a few of them can stand for billions of values.
_WEIGHT_OF_A_VALUE = 200
_LARGEST_WEIGHT = 2 * LARGEST_BYTES
_YAML = "tag:yaml.org,2002:"
_SURROGATE_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class Written:
    """
    A value and where its author wrote it.

    `line` counts from 1 and is that of the key for a value with a key; 0 without a file. `text` is a scalar as it was
    written: "0x10" for 16. `height` and `weight` are those of the whole value below.
    """

    value: Scalar | dict[str, Written] | list[Written]
    line: int = 0
    text: str = ""
    height: int = 0
    weight: int = _WEIGHT_OF_A_VALUE

    def plain(self) -> object:
        """The value as JSON-ready data."""
        if isinstance(self.value, dict):
            return {key: inner.plain() for key, inner in self.value.items()}
        if isinstance(self.value, list):
            return [inner.plain() for inner in self.value]
        return self.value


def parse(text: str, name: str) -> Written:
    """
    The one document in `text`, by the rules of YAML 1.1, of which JSON is a part.

    As in Bacalhau, base-60 numbers ("22:30") stay text. Not taken: keys that are not text, dates, binary data and tags
    of YAML alone, several documents, values without end. Any `text` gives a value or InvalidSpec, which speaks of it as `name`.
    """
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as exc:
        raise invalid([Problem(name, "is not UTF-8 text")]) from exc
    if size_bytes > LARGEST_BYTES:
        raise invalid([Problem(name, f"has {size_bytes} bytes, {LARGEST_BYTES} are allowed: put data into inputs")])
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        return _Builder(yaml.parse(_joined_surrogates(text), Loader=loader), name).document()
    except yaml.YAMLError as exc:
        raise invalid([_yaml_problem(exc, text, name)]) from exc


def written(data: object, *, depth: int = 0) -> Written:
    """Plain data that never stood in a file, e.g. from flags. Raises InvalidSpec when it is nested too deep."""
    if depth > DEEPEST:
        raise InvalidSpec([f"nested deeper than {DEEPEST} levels"])
    if isinstance(data, Mapping):
        return Written({str(key): written(value, depth=depth + 1) for key, value in data.items()})
    if isinstance(data, list | tuple):
        return Written([written(value, depth=depth + 1) for value in data])
    if data is None or isinstance(data, str | int | float):
        return Written(data, text=str(data).lower() if isinstance(data, bool) else str(data))
    raise InvalidSpec([f"{type(data).__name__} is not a type of job files"])


class _Builder:
    """Builds values from the parser's events: unlike a composed tree, these can be refused before they grow."""

    def __init__(self, stream: Iterator[events.Event], name: str) -> None:
        self._stream = stream
        self._name = name
        self._resolver = Resolver()
        # None while the value is being built: an alias to it would contain itself.
        self._anchors: dict[str, Written | None] = {}
        self._problems: list[Problem] = []
        self._values = 0

    def document(self) -> Written:
        next(self._stream)
        if isinstance(next(self._stream), events.StreamEndEvent):
            raise InvalidSpec(["no content provided"])
        root = self._value(next(self._stream), depth=0)
        next(self._stream)
        following = next(self._stream)
        if not isinstance(following, events.StreamEndEvent):
            self._refuse(following, "a second document begins here: one file holds one job")
        if self._problems:
            raise invalid(self._problems)
        if root.value is None:
            raise InvalidSpec(["no content provided"])
        return root

    def _value(self, event: events.Event, *, depth: int, line: int = 0) -> Written:
        """The value that starts with `event`, standing at `line` when it has a key."""
        if depth > DEEPEST:
            raise self._fatal(event, f"nested deeper than {DEEPEST} levels")
        self._values += 1
        if self._values * _WEIGHT_OF_A_VALUE > _LARGEST_WEIGHT:
            raise self._fatal(event, "holds more values than a job file may: put data into inputs")
        line = line or _line(event)
        if isinstance(event, events.AliasEvent):
            return self._alias(event, depth=depth, line=line)
        anchor = event.anchor if isinstance(event, events.NodeEvent) else None
        if anchor is not None:
            self._anchors[anchor] = None
        if isinstance(event, events.ScalarEvent):
            value = Written(self._scalar(event), line, event.value, 0, _WEIGHT_OF_A_VALUE + len(event.value))
        elif isinstance(event, events.SequenceStartEvent):
            value = self._sequence(event, depth=depth, line=line)
        else:
            value = self._mapping(event, depth=depth, line=line)
        if anchor is not None:
            self._anchors[anchor] = value
        return value

    def _alias(self, event: events.AliasEvent, *, depth: int, line: int) -> Written:
        if event.anchor not in self._anchors:
            raise self._fatal(event, f"alias *{event.anchor} has no anchor &{event.anchor} before it")
        target = self._anchors[event.anchor]
        if target is None:
            raise self._fatal(event, f"alias *{event.anchor} stands inside the value that it names")
        if depth + target.height > DEEPEST:
            raise self._fatal(event, f"nested deeper than {DEEPEST} levels")
        return Written(target.value, line, target.text, target.height, target.weight)

    def _sequence(self, start: events.SequenceStartEvent, *, depth: int, line: int) -> Written:
        self._check_tag(start, "seq")
        items: list[Written] = []
        while not isinstance(event := next(self._stream), events.SequenceEndEvent):
            items.append(self._value(event, depth=depth + 1))
        return self._collection(items, items, start, line)

    def _mapping(self, start: events.Event, *, depth: int, line: int) -> Written:
        self._check_tag(start, "map")
        fields: dict[str, Written] = {}
        merged: dict[str, Written] = {}
        while not isinstance(event := next(self._stream), events.MappingEndEvent):
            merges = isinstance(event, events.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._value(event, depth=depth + 1)
            value = self._value(next(self._stream), depth=depth + 1, line=_line(event))
            if merges:
                self._merge(value, merged, event)
            elif not isinstance(key.value, str):
                shown = f'{key.text}: write "{key.text}"' if key.text else "not text"
                self._refuse(event, f"a key must be text, not {clipped(shown)}")
            elif key.value in fields:
                self._refuse(event, f"{clipped(key.value)} is given twice")
            else:
                fields[key.value] = value
        # What a mapping says itself wins over what it merges in, however the key's case.
        own = {key.lower() for key in fields}
        fields |= {key: value for key, value in merged.items() if key.lower() not in own}
        return self._collection(fields, list(fields.values()), start, line)

    def _merge(self, value: Written, merged: dict[str, Written], event: events.Event) -> None:
        for source in value.value if isinstance(value.value, list) else [value]:
            if not isinstance(source.value, dict):
                self._refuse(event, "<< takes a mapping or a list of mappings")
                continue
            for key, inner in source.value.items():
                merged.setdefault(key, inner)

    def _collection(
        self, value: dict[str, Written] | list[Written], inner: list[Written], start: events.Event, line: int
    ) -> Written:
        weight = _WEIGHT_OF_A_VALUE + sum(item.weight for item in inner)
        if isinstance(value, dict):
            weight += sum(len(key) for key in value)
        if weight > _LARGEST_WEIGHT:
            raise self._fatal(start, "holds more than a job file may, with its aliases written out")
        return Written(value, line, "", 1 + max((item.height for item in inner), default=0), weight)

    def _scalar(self, event: events.ScalarEvent) -> Scalar:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(  # type: ignore[no-untyped-call]  # the stubs have no types for it
                yaml.ScalarNode, event.value, event.implicit
            )
        plain = event.implicit[0]
        try:
            return scalar(tag.removeprefix(_YAML), event.value, plain=plain)
        except ValueError as exc:
            self._refuse(event, str(exc))
            return None

    def _check_tag(self, event: events.Event, expected: str) -> None:
        tag = event.tag if isinstance(event, events.CollectionStartEvent) else None
        if tag not in (None, "!", _YAML + expected):
            self._refuse(event, f"the YAML type {clipped(str(tag).replace(_YAML, '!!'))} is not used in job files")

    def _refuse(self, event: events.Event, what: str) -> None:
        self._problems.append(Problem(self._name, what, _line(event)))

    def _fatal(self, event: events.Event, what: str) -> InvalidSpec:
        """The error that ends the reading: to go on could cost without bound."""
        self._refuse(event, what)
        return invalid(self._problems)


def _joined_surrogates(text: str) -> str:
    r"""JSON writers spell characters beyond the first 65,536 as two ``\u`` escapes, which YAML does not know."""
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return text
    return _SURROGATE_PAIR.sub(
        lambda match: match[1] + bytes.fromhex(match[2] + match[3]).decode("utf-16-be"),
        text,
    )


def _yaml_problem(exc: yaml.YAMLError, text: str, name: str) -> Problem:
    if isinstance(exc, yaml.MarkedYAMLError):
        mark = exc.problem_mark or exc.context_mark
        what = " ".join(part for part in (exc.context, exc.problem) if part)
        return Problem(name, what or "is not YAML", mark.line + 1 if mark else 0)
    if isinstance(exc, yaml.reader.ReaderError):
        line = text.count("\n", 0, exc.position) + 1
        return Problem(name, f"control characters such as {exc.character!r} are not allowed", line)
    return Problem(name, f"is not YAML: {clipped(str(exc))}")


def _line(event: events.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
