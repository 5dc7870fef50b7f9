"""What the annotations of pydantic models say about the names and values below them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel


@cache
def names_of(model: type[BaseModel]) -> dict[str, tuple[str, object]]:
    """For each name that `model` takes, in lower case: the name as it is spelled outside, and the field's annotation."""
    names: dict[str, tuple[str, object]] = {}
    for attribute, field in model.model_fields.items():
        alias = field.validation_alias or field.alias or attribute
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        spelled = [choice for choice in choices if isinstance(choice, str)] or [attribute]
        names |= {spelling.lower(): (spelled[0], field.annotation) for spelling in spelled}
    return names


def model_of(annotation: object, fields: Mapping[str, object]) -> type[BaseModel] | None:
    """The model that a mapping with these `fields` is meant for, when `annotation` has one."""
    models = _shape(annotation).models
    if len(models) < 2:
        return models[0] if models else None
    given = {key.lower() for key in fields}
    return max(models, key=lambda model: len(given & names_of(model).keys()))


def item_of(annotation: object) -> object:
    """The annotation of the items of a list."""
    return _shape(annotation).item


def value_of(annotation: object) -> object:
    """The annotation of the values of a mapping."""
    return _shape(annotation).value


@dataclass(frozen=True, slots=True)
class _Shape:
    models: tuple[type[BaseModel], ...]
    item: object
    value: object


@cache
def _shape(annotation: object) -> _Shape:
    arms = list(_arms(annotation))
    return _Shape(
        tuple(arm for arm in arms if isinstance(arm, type) and issubclass(arm, BaseModel)),
        next((get_args(arm)[0] for arm in arms if _is_generic(arm, Sequence, AbstractSet)), Any),
        next((get_args(arm)[1] for arm in arms if _is_generic(arm, Mapping)), Any),
    )


def _arms(annotation: object) -> Iterator[object]:
    """The types that `annotation` is the union of; itself when it is none."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _arms(get_args(annotation)[0])
    elif origin is Union or origin is UnionType:
        for arm in get_args(annotation):
            yield from _arms(arm)
    else:
        yield annotation


def _is_generic(annotation: object, *kinds: type) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, kinds) and bool(get_args(annotation))
