"""The few changes of a job that all rules are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gadus.core.ids import uuid_of
from gadus.core.job import Action, Execution, Job, Place, State, Stop, Vacancy, Withdraw


def execution_id(job_id: str, index: int, attempt: int, edition: int = 1) -> str:
    """The id of one attempt of one index: always the same, so that placing twice is placing once."""
    return f"e-{uuid_of(f'{job_id}/{edition}/{index}/{attempt}')}"


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
    return _with_vacancies(job, [vacancy])


def vacate_all(job: Job, indexes: Mapping[int, str], at: float) -> tuple[Job, tuple[Action, ...]]:
    """The job with the first executions of many indexes that wait, each for the node named or, where that is empty, for any."""
    vacancies = [
        Vacancy(id=execution_id(job.id, index, 0, job.edition), index=index, attempt=0, node=node, since=at)
        for index, node in indexes.items()
    ]
    return _with_vacancies(job, vacancies)


def _with_vacancies(job: Job, new: Sequence[Vacancy]) -> tuple[Job, tuple[Action, ...]]:
    places = tuple(Place(vacancy=vacancy) for vacancy in new)
    return job.model_copy(update={"vacancies": (*job.vacancies, *new)}), places


def finished(job: Job, state: State, message: str) -> tuple[Job, tuple[Action, ...]]:
    """The job in `state`, where nothing waits any more and everything live is told to stop."""
    withdrawn = tuple(Withdraw(execution_id=vacancy.id) for vacancy in job.vacancies)
    stops = tuple(Stop(execution_id=one.id) for one in job.live if not one.stopping)
    executions = tuple(one if one.state.final else one.model_copy(update={"stopping": True}) for one in job.executions)
    changes = {"state": state, "message": message, "vacancies": (), "executions": executions}
    return job.model_copy(update=changes), (*withdrawn, *stops)


def live_execution(job: Job, wanted: str) -> Execution | None:
    """The execution with this id, if there is one that has not ended."""
    # From the newest on, here and below: a job may have 100,000 executions, and those that run are the last ones.
    execution = next((one for one in reversed(job.executions) if one.id == wanted), None)
    return execution if execution is not None and execution.outcome is None else None


def runs(job: Job) -> bool:
    """Whether an execution of the present edition runs."""
    return any(one.outcome is None and one.edition == job.edition for one in reversed(job.executions))


def with_execution(job: Job, changed: Execution) -> Job:
    """The job with this execution in the place of the one with its id."""
    before = job.executions
    place = next(place for place in range(len(before) - 1, -1, -1) if before[place].id == changed.id)
    return job.model_copy(update={"executions": (*before[:place], changed, *before[place + 1 :])})


def of_index(job: Job, index: int) -> tuple[Execution, ...]:
    """The executions of one index in the present edition, oldest first."""
    return tuple(one for one in job.executions if one.index == index and one.edition == job.edition)
