"""What an installation adds to jobs that do not say, and the limits on what they may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .capacity import Amounts

if TYPE_CHECKING:
    # Settings hold these values, and are read before a command knows that it needs a model of jobs.
    from .spec import JobSpec

NEEDS = Amounts(cpu_cores=0.5, memory_bytes=512_000_000)
"""What a job is taken to need that does not say, as in Bacalhau. It is no limit for the program."""
_WITH_AN_END = ("batch", "ops")


@dataclass(frozen=True, slots=True)
class JobDefaults:
    """For the jobs of one type. Seconds of 0 are no limit."""

    needs: Amounts = NEEDS
    priority: int = 0
    execution_seconds: int = 0
    total_seconds: int = 0


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long the program of a job with an end must and may be allowed to run; a longest of 0 is no limit."""

    shortest_seconds: int = 0
    longest_seconds: int = 0


def with_defaults(spec: JobSpec, defaults: Mapping[str, JobDefaults], limits: TimeLimits) -> JobSpec:
    """
    The job with priority and time-outs where it has none.

    What it needs of a machine is not written down: that is only counted with.
    """
    own = defaults.get(spec.type, JobDefaults())
    changes: dict[str, Any] = {}
    if own.priority and not spec.priority:
        changes["priority"] = own.priority
    if spec.type in _WITH_AN_END:
        times = spec.task.timeouts
        execution = times.execution_timeout
        total = times.total_timeout or (own.total_seconds and max(own.total_seconds, execution + times.queue_timeout))
        if not (execution or total):
            execution = own.execution_seconds or limits.longest_seconds
        if (execution, total) != (times.execution_timeout, times.total_timeout):
            times = times.model_copy(update={"execution_timeout": execution, "total_timeout": total})
            changes["tasks"] = (spec.task.model_copy(update={"timeouts": times}),)
    return spec.model_copy(update=changes) if changes else spec


def outside(spec: JobSpec, limits: TimeLimits) -> list[str]:
    """What is wrong with the time-outs of a job that has its defaults."""
    times = spec.task.timeouts
    name = "ExecutionTimeout" if times.execution_timeout else "TotalTimeout"
    seconds = times.execution_timeout or times.total_timeout
    if spec.type not in _WITH_AN_END or not seconds:
        return []
    where = f"Tasks[0].Timeouts.{name}: {seconds} s"
    if seconds < limits.shortest_seconds:
        return [f"{where} is shorter than this installation allows: at least {limits.shortest_seconds} s"]
    if limits.longest_seconds and seconds > limits.longest_seconds:
        return [f"{where} is longer than this installation allows: at most {limits.longest_seconds} s"]
    return []
