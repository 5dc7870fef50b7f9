"""Jobs as they are submitted: the model of jobs, with the params of every engine and source that is installed."""

from __future__ import annotations

from copy import deepcopy

from pydantic import BaseModel

from gadus import plugins
from gadus.core.spec import JobSpec

from .shapes import TEXT, Schema, named

_AT = "#/components/schemas/{model}"


def submitted() -> dict[str, Schema]:
    """The schemas of a submission by their names; and ``KeptTask``, a task as jobs are shown with it."""
    spec = JobSpec.model_json_schema(by_alias=True, ref_template=_AT)
    known: dict[str, Schema] = spec.pop("$defs")
    known |= {"JobSpec": spec, "KeptTask": deepcopy(known["Task"])}
    known["KeptTask"]["properties"]["InputSources"]["items"] = named("KeptInputSource")
    known["KeptInputSource"] = deepcopy(known["InputSource"])
    for place, field, kind in (("Task", "Engine", "engines"), ("InputSource", "Source", "storage")):
        names = sorted(plugins.names(kind))
        known[place]["properties"][field] = {"oneOf": [_plugin(known, kind, name) for name in names]}
    return known


def _plugin(known: dict[str, Schema], kind: str, name: str) -> Schema:
    """What stands for the plugin `name` in a job; the schemas of its params become `known`."""
    model: type[BaseModel] = plugins.load(kind, name).Params
    params = model.model_json_schema(by_alias=True, ref_template=_AT)
    known |= {inner: schema for inner, schema in params.pop("$defs", {}).items() if inner not in known}
    own = f"{name.capitalize()}{'Engine' if kind == 'engines' else 'Source'}"
    known[own] = params
    fields = {"Type": {**TEXT, "pattern": _in_any_case(name), "example": name}, "Params": named(own)}
    return {"type": "object", "properties": fields, "required": ["Type"], "additionalProperties": False}


def _in_any_case(name: str) -> str:
    return f"^{''.join(f'[{letter.lower()}{letter.upper()}]' if letter.isalpha() else letter for letter in name)}$"
