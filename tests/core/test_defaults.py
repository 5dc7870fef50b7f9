"""What an installation adds to jobs that do not say, and which time-outs it refuses."""

from __future__ import annotations

import pytest

from gadus.core.defaults import JobDefaults, TimeLimits, outside, with_defaults
from gadus.core.spec import JobSpec

NONE = TimeLimits()


def spec(kind: str = "batch", priority: int = 0, **timeouts: int) -> JobSpec:
    task = {"Name": "main", "Engine": {"Type": "wasm"}, "Timeouts": timeouts}
    return JobSpec.model_validate({"Name": "x", "Type": kind, "Priority": priority, "Tasks": [task]})


def times(one: JobSpec) -> tuple[int, int, int]:
    found = one.task.timeouts
    return found.execution_timeout, found.queue_timeout, found.total_timeout


def test_without_defaults_a_job_is_left_as_it_is() -> None:
    job = spec(ExecutionTimeout=5)
    assert with_defaults(job, {"batch": JobDefaults()}, NONE) is job


def test_a_priority_is_given_by_type_to_who_has_none() -> None:
    defaults = {"batch": JobDefaults(priority=7), "service": JobDefaults(priority=9)}
    assert with_defaults(spec(), defaults, NONE).priority == 7
    assert with_defaults(spec("service"), defaults, NONE).priority == 9
    assert with_defaults(spec("ops"), defaults, NONE).priority == 0
    assert with_defaults(spec(priority=1), defaults, NONE).priority == 1


@pytest.mark.parametrize(
    ("defaults", "longest", "asked", "expected"),
    [
        (JobDefaults(execution_seconds=60), 0, {}, (60, 0, 0)),
        (JobDefaults(execution_seconds=60), 0, {"ExecutionTimeout": 5}, (5, 0, 0)),
        # Who limits the whole has a limit.
        (JobDefaults(execution_seconds=60), 0, {"TotalTimeout": 5}, (0, 0, 5)),
        (JobDefaults(total_seconds=60), 0, {"QueueTimeout": 10}, (0, 10, 60)),
        # The whole is never less than its parts.
        (JobDefaults(total_seconds=60), 0, {"ExecutionTimeout": 90, "QueueTimeout": 10}, (90, 10, 100)),
        (JobDefaults(), 30, {}, (30, 0, 0)),
        (JobDefaults(), 30, {"ExecutionTimeout": 90}, (90, 0, 0)),
    ],
)
def test_time_outs_are_filled_in_where_a_job_has_none(defaults, longest, asked, expected) -> None:
    filled = with_defaults(spec(**asked), {"batch": defaults}, TimeLimits(0, longest))
    assert times(filled) == expected
    assert JobSpec.model_validate(filled.to_wire()) == filled


def test_jobs_without_an_end_get_no_time_out() -> None:
    limits = TimeLimits(10, 30)
    for kind in ("service", "daemon"):
        job = with_defaults(spec(kind), {kind: JobDefaults(execution_seconds=60, total_seconds=60)}, limits)
        assert times(job) == (0, 0, 0)
        assert outside(job, limits) == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"ExecutionTimeout": 9},
            ["Tasks[0].Timeouts.ExecutionTimeout: 9 s is shorter than this installation allows: at least 10 s"],
        ),
        ({"TotalTimeout": 31}, ["Tasks[0].Timeouts.TotalTimeout: 31 s is longer than this installation allows: at most 30 s"]),
        ({"ExecutionTimeout": 10}, []),
        ({"TotalTimeout": 30}, []),
        ({"ExecutionTimeout": 20, "TotalTimeout": 100}, []),
        ({}, []),
    ],
)
def test_time_outs_outside_the_limits_are_named(asked, told) -> None:
    assert outside(spec(**asked), TimeLimits(10, 30)) == told
