"""One job in the hands of the lifecycle and of its model: both are told the same, and every promise is looked at each time."""

from __future__ import annotations

from functools import lru_cache

import lifecycle_promises as promises
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant
from lifecycle_model import Model, Try
from lifecycle_promises import id_of
from lifecycle_world import World, world_of

from gadus.core.errors import Conflict
from gadus.core.job import (
    Ended,
    Event,
    Execution,
    Expired,
    Failure,
    Job,
    Limit,
    Matched,
    Outcome,
    Placed,
    Renewed,
    StopRequested,
    Submitted,
    Unplaceable,
)
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec

Wanted = tuple[int, int, int]
"""Count, and seconds in the queue and in all."""


class Telling(RuleBasedStateMachine):
    """`job` is what the product makes of the events, `model` what the model does; `world` carries out the actions."""

    job: Job
    model: Model

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0
        self.errors = 0
        self.world = World()
        self.events: list[Event] = []
        self.ended: dict[str, Execution] = {}
        self.bounded: dict[int, bool] = {}

    def begin(self, type_: str, wanted: Wanted) -> None:
        event = Submitted(at=self.at, job_id="j-1", spec=spec_of(type_, *wanted))
        self.events.append(event)
        self.model = Model(type_, *wanted, self.at)
        self.job, actions = decide(None, event)
        self.world.act(actions)

    @invariant()
    def all_promises_are_kept(self) -> None:
        self.bounded[self.model.edition] = self.model.bounded
        promises.the_job_is_what_the_model_says(self.job, self.model)
        promises.the_world_is_what_the_job_asks_for(self.job, self.world)
        promises.nothing_is_twice_at_once(self.job, by_node=self.model.by_node)
        promises.what_is_over_stays_as_it_was(self.job, self.ended)
        promises.tries_have_a_bound(self.job, self.model, self.bounded)
        promises.a_limit_is_told_of_when_it_is_reached_and_not_before(self.job, self.model)
        promises.there_is_a_way_out(self.job, self.at + 1)

    def teardown(self) -> None:
        """The events alone make the same job again."""
        again: Job | None = None
        for event in self.events:
            again, _ = decide(again, event)
        if again is not None:
            assert again == self.job
            assert again.model_dump_json() == self.job.model_dump_json()

    def wait(self, seconds: float) -> None:
        self.at = self.at + seconds
        self.model.at = self.at

    def place(self, pick: int, node: str, seconds: float) -> None:
        vacancy = list(self.world.waiting.values())[pick % len(self.world.waiting)].vacancy
        self.wait(seconds)
        node = vacancy.node or node
        self.model.placed(vacancy.index, node)
        self.happened(Placed(at=self.at, execution_id=vacancy.id, node=node))

    def end(self, one: Try, how: str, code: int, seconds: float) -> None:
        self.wait(seconds)
        self.errors += 1
        error = "" if how == "exit" else f"error {self.errors}"
        self.model.ended(one, how, error)
        self.happened(Ended(at=self.at, execution_id=id_of(one), outcome=outcome_of(how, code, error)))

    def stop(self) -> None:
        self.model.stopped("enough")
        self.happened(StopRequested(at=self.at, reason="enough"))

    def expire(self, limit: Limit) -> None:
        self.wait(0)
        self.model.expired(limit.value)
        self.happened(Expired(at=self.at, limit=limit))

    def match(self, nodes: list[str]) -> None:
        self.wait(0.125)
        self.model.matched(nodes)
        self.happened(Matched(at=self.at, nodes=tuple(nodes), edition=self.job.edition))

    def find_no_place(self) -> None:
        self.errors += 1
        self.model.unplaceable(f"full {self.errors}")
        self.happened(Unplaceable(at=self.at, message=f"full {self.errors}", edition=self.job.edition))

    def renew(self, type_: str, wanted: Wanted) -> None:
        self.wait(1.0)
        self.model.renewed(type_, *wanted)
        self.happened(Renewed(at=self.at, spec=spec_of(type_, *wanted)))
        assert self.job.pins == ()

    def crash(self) -> None:
        """All that is left is what was stored of the job."""
        self.job = Job.model_validate_json(self.job.model_dump_json())
        self.world = world_of(self.job)

    def happened(self, event: Event) -> None:
        before = self.job
        self.events.append(event)
        self.job, actions = decide(before, event)
        assert decide(before, event) == (self.job, actions), "the same arguments give the same answer"
        assert (self.job.version, self.job.modified_at) == (before.version + 1, event.at)
        if before.state.final and not isinstance(event, Renewed):
            assert (self.job.state, self.job.message, actions) == (before.state, before.message, ())
        self.world.happened(event, self.job, actions)

    def nothing_changes(self, event: Event) -> None:
        before = self.job
        self.happened(event)
        assert before == self.job.model_copy(update={"version": before.version, "modified_at": before.modified_at})

    def refused(self, event: Event) -> None:
        with pytest.raises(Conflict):
            decide(self.job, event)


@lru_cache(maxsize=1000)
def spec_of(type_: str, count: int, queue_seconds: int, total_seconds: int) -> JobSpec:
    timeouts = {"QueueTimeout": queue_seconds, "TotalTimeout": total_seconds}
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}, "Timeouts": timeouts}
    return JobSpec.model_validate({"Type": type_, "Count": count, "Tasks": [task]})


def outcome_of(how: str, code: int, error: str) -> Outcome:
    if how == "exit":
        return Outcome(exit_code=code)
    kinds = {"lost": "NodeLost", "away": "EngineAway"}
    return Outcome(error=Failure(kind=kinds.get(how, "StorageUnavailable"), message=error), can_retry=how != "never")
