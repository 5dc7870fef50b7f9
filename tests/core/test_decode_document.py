"""A job that comes as plain data is read the quick way only where that gives what the careful way gives."""

from __future__ import annotations

import random
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from test_decode import WHOLE

from gadus import plugins
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile import decode, document, quick
from gadus.core.jobfile.decode import decode_document
from mutations import mutated

MODULE = {"Source": {"Type": "inline", "Params": {"URL": "data:application/wasm;base64,AGFzbQEAAAA="}}, "Target": "/m.wasm"}
WASM = {
    "Name": "noop",
    "Type": "batch",
    "Count": 3,
    "Tasks": [{"Name": "main", "Engine": {"Type": "wasm", "Params": {"EntryModule": MODULE, "Parameters": ["a"]}}}],
}
JOBS: list[dict[str, Any]] = [yaml.safe_load(WHOLE.replace("Operator: =", "Operator: '='")), WASM]


def params_model(kind: Literal["engine", "source"], name: str) -> type[BaseModel]:
    model: type[BaseModel] = plugins.load("engines" if kind == "engine" else "storage", name).Params
    return model


def carefully(job: dict[str, Any]) -> Any:
    return decode._decoded(document.written(job), params_model, "Job")


def outcome(read: Any, job: dict[str, Any]) -> Any:
    try:
        spec, warnings = read(job)
    except InvalidSpec as error:
        return error.problems, error.hint
    return spec, warnings


@pytest.mark.parametrize("job", JOBS)
def test_ordinary_jobs_take_the_quick_way(job: dict[str, Any]) -> None:
    spec = quick.as_it_stands(job, params_model)
    assert spec == carefully(job)[0]
    assert spec is not None


@settings(max_examples=1500, deadline=None)
@given(st.integers(), st.sampled_from(JOBS))
def test_both_ways_say_the_same_of_any_job(seed: int, job: dict[str, Any]) -> None:
    changed = mutated(job, random.Random(seed))
    assert outcome(lambda one: decode_document(one, params_model=params_model), changed) == outcome(carefully, changed)
