"""Reads a job whose author spelled everything as it should be: most are, and it is much quicker than to look field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel

from gadus.core.check import find
from gadus.core.errors import InvalidSpec
from gadus.core.spec import InputSource, JobSpec

from .document import DEEPEST

ParamsModel = Callable[[Literal["engine", "source"], str], type[BaseModel]]
"""Gives the params model of a plugin by its name, or raises InvalidSpec."""
RESERVED_META = "bacalhau.org/"
"""What begins so in the meta of a job is left out."""


def as_it_stands(data: Mapping[str, Any], params_model: ParamsModel) -> JobSpec | None:
    """
    The job, when all names are spelled as they should be and nothing is to be left out: most are, and it is much quicker.

    None, ValidationError or InvalidSpec for what is not right, or might not be.
    """
    match data:
        case {"Tasks": [{"Engine": {"Type": str()} as engine} as task]} if not _is_too_deep(data):
            inputs = task.get("InputSources") or []
        case _:
            return None
    if not isinstance(inputs, list) or not all(map(_is_input, inputs)):
        return None
    known = {**task, "Engine": _canonical("engine", engine, params_model)}
    if inputs:
        known["InputSources"] = [{**one, "Source": _canonical("source", one["Source"], params_model)} for one in inputs]
    # Names that differ in their case only, or that the store alone sets, are none that the model takes.
    spec = JobSpec.model_validate({**data, "Tasks": [known]}, by_name=False)
    reserved = any(name.startswith(RESERVED_META) for name in spec.meta)
    return None if reserved or any(find(data)) else spec


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return False
        level = [
            inner for one in level if isinstance(one, dict | list) for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


def _is_input(entry: object) -> bool:
    match entry:
        case {"Source": {"Type": str()}}:
            return True
    return False


def _canonical(kind: Literal["engine", "source"], config: Mapping[str, Any], params_model: ParamsModel) -> Mapping[str, Any]:
    """The name and params of a plugin, as it spells them. Raises ValidationError, InvalidSpec."""
    model = params_model(kind, config["Type"].strip())
    if model.model_config.get("extra") != "forbid":
        raise InvalidSpec([f"{config['Type']}: what the plugin does not know must be looked for"])
    given = config.get("Params")
    params = model.model_validate({} if given is None else given, by_name=False)
    told = params.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for name, value in params:
        # An engine's own inputs have params, too.
        if isinstance(value, InputSource) and name in params.model_fields_set:
            _complete(told[_alias(model, name)], value, params_model)
        elif isinstance(value, tuple) and name in params.model_fields_set:
            for told_one, one in zip(told[_alias(model, name)], value, strict=True):
                if isinstance(one, InputSource):
                    _complete(told_one, one, params_model)
    return {**config, "Params": told}


def _complete(told: dict[str, Any], one: InputSource, params_model: ParamsModel) -> None:
    told["Source"] = _canonical("source", {"Type": one.source.type, "Params": one.source.params}, params_model)


def _alias(model: type[BaseModel], name: str) -> str:
    return model.model_fields[name].alias or name
