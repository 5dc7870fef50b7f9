"""The time-outs of a whole job. That of an execution is its node's to keep: it counts from the start of the program."""

from __future__ import annotations

from gadus.core.job import Expired, Job, Limit

_WITH_AN_END = ("batch", "ops")
_QUEUED = ("batch", "service")


def deadline(job: Job) -> float | None:
    """When the next limit of the job's time is reached, in Unix seconds; None when there is none."""
    return min((at for at, _ in _limits(job)), default=None)


def due(job: Job, at: float) -> Limit | None:
    """The limit that is reached at the time `at`, if one is."""
    return min(((when, limit) for when, limit in _limits(job) if when <= at), default=(0.0, None))[1]


def reached(job: Job, limit: Limit, at: float) -> bool:
    """Whether the job has come to this limit at the time `at`."""
    return any(one is limit and when <= at for when, one in _limits(job))


def expiry(job: Job, event: Expired) -> str:
    """What people are told of a job that ran into a limit."""
    timeouts = job.spec.task.timeouts
    if event.limit is Limit.TOTAL:
        return f"Job timed out. Job took longer than {timeouts.total_timeout} s"
    waited = f"Job timed out. It waited in the queue longer than {timeouts.queue_timeout} s"
    return f"{waited}: {event.message}" if event.message else waited


def _limits(job: Job) -> list[tuple[float, Limit]]:
    if job.state.final:
        return []
    timeouts = job.spec.task.timeouts
    limits = []
    if timeouts.total_timeout and job.spec.type in _WITH_AN_END:
        limits.append((job.begun_at + timeouts.total_timeout, Limit.TOTAL))
    if timeouts.queue_timeout and job.vacancies and job.spec.type in _QUEUED:
        # From when it began to wait: a replacement late in life waits as long as the first.
        waiting_since = min(max(vacancy.since, vacancy.not_before) for vacancy in job.vacancies)
        limits.append((waiting_since + timeouts.queue_timeout, Limit.QUEUE))
    return limits
