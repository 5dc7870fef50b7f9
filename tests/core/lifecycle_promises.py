"""What is true of a job at all times, whatever has happened: each function is one promise, and fails where it is broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lifecycle_model import TIMED_OUT, Model, Try
from lifecycle_world import World, way_out, world_of

from gadus.core.job import Execution, Job, Vacancy
from gadus.core.lifecycle import deadline, due, execution_id
from gadus.core.lifecycle.decide import EDITIONS_KEPT

MOST_TRIES = 12
"""Of a part of a job with an end: ten are lost or find no engine, or three fail in another way."""
MOST_KEPT = 11
"""Of a part of a job without an end: ten that ended, and the present one."""


def id_of(one: Try) -> str:
    return execution_id("j-1", one.index, one.number, one.edition)


def the_job_is_what_the_model_says(job: Job, model: Model) -> None:
    assert (job.state.value, job.edition) == (model.state, model.edition)
    assert job.message == model.message or (model.message == TIMED_OUT and job.message.startswith(TIMED_OUT))
    assert _by_id(job.vacancies) == _by_id(_waiting(model))
    live = {id_of(one): (one.index, one.node, one.edition, one.number, one.stopping) for one in model.live()}
    assert {one.id: (one.index, one.node, one.edition, one.attempt, one.stopping) for one in job.live} == live
    over = {id_of(one): _state(one) for one in model.tries() if one.how}
    assert all(over[one.id] == one.state.value for one in job.executions if one.state.final)


def the_world_is_what_the_job_asks_for(job: Job, world: World) -> None:
    assert world == world_of(job)


def nothing_is_twice_at_once(job: Job, *, by_node: bool) -> None:
    former = [one for one in job.live if one.edition < job.edition]
    mine = [*job.vacancies, *(one for one in job.live if one.edition == job.edition)]
    assert len(mine) == len({one.index for one in mine})
    if by_node:
        assert len(mine) == len({one.node for one in mine})
        assert not {one.node for one in mine} & {one.node for one in former}
    else:
        assert not {one.index for one in mine} & {one.index for one in former}


def what_is_over_stays_as_it_was(job: Job, ended: dict[str, Execution]) -> None:
    """`ended` has all executions that were seen to have ended so far."""
    for one in job.executions:
        if one.state.final:
            assert ended.setdefault(one.id, one) == one
    if job.state.final:
        assert not job.vacancies
        assert all(one.stopping for one in job.live)


def tries_have_a_bound(job: Job, model: Model, bounded: Mapping[int, bool]) -> None:
    """`bounded` says of each edition whether it has an end; then all its executions are kept, and otherwise the last ones."""
    tries: dict[tuple[int, int], list[str]] = {}
    for one in model.tries():
        tries.setdefault((one.edition, one.index), []).append(id_of(one))
    for (edition, index), ids in tries.items():
        kept = [one.id for one in job.executions if (one.edition, one.index) == (edition, index)]
        if edition < job.edition - EDITIONS_KEPT:
            # Dropped with the next edition after their end.
            continue
        if bounded[edition]:
            assert kept == ids
            assert len(ids) <= MOST_TRIES
        else:
            assert kept in (ids[-MOST_KEPT:], ids[1 - MOST_KEPT :])


def a_limit_is_told_of_when_it_is_reached_and_not_before(job: Job, model: Model) -> None:
    limits = model.limits()
    at = deadline(job)
    assert at == min(limits.values(), default=None)
    if at is not None:
        limit = due(job, at)
        assert limit is not None
        assert limits[limit.value] == at
        assert due(job, at - 0.0001) is None


def there_is_a_way_out(job: Job, at: float) -> None:
    job, world = way_out(job, at)
    assert job.state.final
    assert not job.live
    assert world == World()


def _state(one: Try) -> str:
    """What an execution that ended in this way has come to."""
    if one.how == "exit":
        return "completed"
    return "stopped" if one.stopping else "failed"


def _waiting(model: Model) -> list[Vacancy]:
    return [
        Vacancy(
            id=execution_id("j-1", index, len(part.tries), model.edition),
            index=index,
            attempt=len(part.tries),
            node=part.node,
            since=part.waits[0],
            not_before=part.waits[1],
        )
        for index, part in enumerate(model.parts)
        if part.waits
    ]


def _by_id(vacancies: Iterable[Vacancy]) -> dict[str, Vacancy]:
    return {one.id: one for one in vacancies}
