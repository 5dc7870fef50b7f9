"""The few changes of a job that all rules are made of."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from gadus.core.job import Action, Execution, Job, Place, State, Stop, Vacancy, Withdraw


def execution_id(job_id: str, index: int, attempt: int, edition: int = 1) -> str:
    """The id of one attempt of one index: always the same, so that placing twice is placing once."""
    return f"e-{uuid5(NAMESPACE_URL, f'{job_id}/{edition}/{index}/{attempt}')}"


def vacate(
    job: Job, index: int, at: float, *, attempt: int = 0, pause_seconds: float = 0.0, node: str = ""
) -> tuple[Job, tuple[Action, ...]]:
    """The job with one more execution that waits for a place."""
    vacancy = Vacancy(
        id=execution_id(job.id, index, attempt, job.edition),
        index=index,
        attempt=attempt,
        node=node,
        since=at,
        not_before=at + pause_seconds if pause_seconds else 0.0,
    )
    return job.model_copy(update={"vacancies": (*job.vacancies, vacancy)}), (Place(vacancy=vacancy),)


def finished(job: Job, state: State, message: str) -> tuple[Job, tuple[Action, ...]]:
    """The job in `state`, where nothing waits any more and everything live is told to stop."""
    withdrawn = tuple(Withdraw(execution_id=vacancy.id) for vacancy in job.vacancies)
    stops = tuple(Stop(execution_id=one.id) for one in job.live if not one.stopping)
    executions = tuple(one if one.state.final else one.model_copy(update={"stopping": True}) for one in job.executions)
    changes = {"state": state, "message": message, "vacancies": (), "executions": executions}
    return job.model_copy(update=changes), (*withdrawn, *stops)


def with_execution(job: Job, wanted: str, **changes: object) -> Job:
    """The job with one execution changed; one that already ended stays as it is."""
    executions = tuple(
        execution.model_copy(update=changes) if execution.id == wanted and not execution.state.final else execution
        for execution in job.executions
    )
    return job.model_copy(update={"executions": executions})


def of_index(job: Job, index: int) -> tuple[Execution, ...]:
    """The executions of one index in the present edition, oldest first."""
    return tuple(one for one in job.executions if one.index == index and one.edition == job.edition)
