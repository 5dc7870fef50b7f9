"""Puts a job together from the flags of ``docker run`` and ``wasm run``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from pydantic import ValidationError

from gadus.cli.lazy import UsageMistake
from gadus.core.errors import InvalidSpec
from gadus.core.spec import JobSpec, Network, Resources, SpecConfig, Task, Timeouts


def job_spec(engine: SpecConfig, flags: Mapping[str, Any]) -> JobSpec:
    """
    The job that `flags` (see `options.with_job_flags`) describe, to be run by `engine`.

    Raises InvalidSpec with every value that does not fit, UsageMistake when two flags contradict each other.
    """
    try:
        return _job(engine, flags)
    except ValidationError as exc:
        problems = [_problem(error["loc"], error["msg"]) for error in exc.errors(include_url=False)]
        raise InvalidSpec(problems) from exc


def _job(engine: SpecConfig, flags: Mapping[str, Any]) -> JobSpec:
    task = Task(
        name=flags["task_name"],
        engine=engine,
        publisher=flags["publisher"] or SpecConfig(type=""),
        input_sources=flags["inputs"],
        result_paths=flags["outputs"],
        resources=Resources(cpu=flags["cpu"], memory=flags["memory"], disk=flags["disk"], gpu=flags["gpu"]),
        network=Network(type=flags["network"], domains=flags["domains"]),
        timeouts=Timeouts(total_timeout=flags["timeout"], queue_timeout=flags["queue_timeout"]),
    )
    return JobSpec(
        name=flags["name"],
        namespace=flags["namespace"],
        type="ops" if flags["target"] == "all" else "batch",
        priority=flags["priority"],
        count=_one_of(flags, "count", "concurrency", 1),
        constraints=_one_of(flags, "constraints", "selector", ()),
        labels=dict(chain.from_iterable(labels.items() for labels in flags["labels"])),
        tasks=(task,),
    )


def _one_of(flags: Mapping[str, Any], name: str, old_name: str, default: Any) -> Any:
    """The value of a flag that Bacalhau knows by two names."""
    given, old = flags[name], flags[old_name]
    if given is not None and old is not None:
        raise UsageMistake(f"--{name} and --{old_name} mean the same", hint=f"use --{name} alone")
    chosen = old if given is None else given
    return default if chosen is None else chosen


def _problem(where: tuple[int | str, ...], what: str) -> str:
    place = ".".join(str(part) for part in where)
    what = what.removeprefix("Value error, ")
    return f"{place}: {what}" if place else what
