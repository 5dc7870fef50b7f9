"""
The lifecycle against its reference model: anything that can happen to a job of any type, in any order.

A few hundred sequences by default; GADUS_TEST_SEQUENCES=20000 asks for more.
"""

from __future__ import annotations

import os
from functools import lru_cache

import lifecycle_promises as promises
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from lifecycle_model import Model
from lifecycle_promises import id_of
from lifecycle_world import NODES, World, world_of

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
    Phase,
    PhaseEntered,
    Pin,
    Pinned,
    Placed,
    Renewed,
    StopRequested,
    Submitted,
    Unplaceable,
)
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec

SEQUENCES = int(os.environ.get("GADUS_TEST_SEQUENCES", "400"))
TYPES = ("batch", "service", "ops", "daemon")
ENDS = ("exit", "exit", "again", "again", "never", "lost")
PICK = st.integers(0, 7)
SECONDS = st.sampled_from((0.001, 0.001, 1.0, 5.0, 70.0, 400.0))
SPECS = st.tuples(st.integers(0, 3), st.sampled_from((0, 0, 20)), st.sampled_from((0, 0, 100)))


@lru_cache(maxsize=1000)
def spec_of(type_: str, count: int, queue_seconds: int, total_seconds: int) -> JobSpec:
    timeouts = {"QueueTimeout": queue_seconds, "TotalTimeout": total_seconds}
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}, "Timeouts": timeouts}
    return JobSpec.model_validate({"Type": type_, "Count": count, "Tasks": [task]})


class Lifecycle(RuleBasedStateMachine):
    """`job` is what the product makes of the events, `model` what the model does; `world` carries out the actions."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0
        self.told = 0
        self.world = World()
        self.events: list[Event] = []
        self.ended: dict[str, Execution] = {}
        self.bounded: dict[int, bool] = {}

    @initialize(type_=st.sampled_from(TYPES), spec=SPECS)
    def submit(self, type_: str, spec: tuple[int, int, int]) -> None:
        event = Submitted(at=self.at, job_id="j-1", spec=spec_of(type_, *spec))
        self.events.append(event)
        self.model = Model(type_, *spec, self.at)
        self.job, actions = decide(None, event)
        self.world.act(actions)

    # What happens

    @precondition(lambda self: self.world.waiting)
    @rule(pick=PICK, node=st.sampled_from(NODES), seconds=SECONDS)
    def place(self, pick: int, node: str, seconds: float) -> None:
        vacancy = list(self.world.waiting.values())[pick % len(self.world.waiting)].vacancy
        self.wait(seconds)
        self.model.at = self.at
        self.model.placed(vacancy.index, vacancy.node or node)
        self.happened(Placed(at=self.at, execution_id=vacancy.id, node=vacancy.node or node))

    @precondition(lambda self: self.world.watched)
    @rule(pick=PICK, how=st.sampled_from(ENDS), code=st.sampled_from((0, 7)), seconds=SECONDS)
    def end(self, pick: int, how: str, code: int, seconds: float) -> None:
        one = self.model.live()[pick % len(self.model.live())]
        self.wait(seconds)
        self.told += how != "exit"
        error = "" if how == "exit" else f"error {self.told}"
        self.model.ended(one, how, error)
        self.happened(Ended(at=self.at, execution_id=id_of(one), outcome=outcome_of(how, code, error)))

    @precondition(lambda self: self.world.waiting)
    @rule(pick=PICK, how=st.sampled_from(ENDS), times=st.integers(2, 13), seconds=SECONDS)
    def place_and_end_again_and_again(self, pick: int, how: str, times: int, seconds: float) -> None:
        index = list(self.world.waiting.values())[pick % len(self.world.waiting)].vacancy.index
        for _ in range(times):
            waits = [number for number, one in enumerate(self.world.waiting.values()) if one.vacancy.index == index]
            if not waits:
                return
            self.place(waits[0], "a", seconds)
            self.end(
                [one.index == index and one.edition == self.job.edition for one in self.model.live()].index(True), how, 0, 1.0
            )

    @precondition(lambda self: any(one.stopping for one in self.model.live()))
    @rule()
    def end_what_is_to_stop(self) -> None:
        one = next(one for one in self.model.live() if one.stopping)
        self.model.ended(one, "never", "stopped")
        self.happened(Ended(at=self.at, execution_id=id_of(one), outcome=outcome_of("never", 0, "stopped")))

    @precondition(lambda self: self.world.watched)
    @rule(pick=PICK, phase=st.sampled_from(Phase))
    def enter(self, pick: int, phase: Phase) -> None:
        wanted = sorted(self.world.watched)[pick % len(self.world.watched)]
        before = next(one.phase for one in self.job.executions if one.id == wanted)
        self.happened(PhaseEntered(at=self.at, execution_id=wanted, phase=phase))
        after = next(one.phase for one in self.job.executions if one.id == wanted)
        order = (None, *Phase)
        assert order.index(after) == max(order.index(before), order.index(phase)), "phases go forward only"

    @precondition(lambda self: self.model.state not in ("completed", "failed"))
    @rule()
    def stop(self) -> None:
        self.model.stopped("enough")
        self.happened(StopRequested(at=self.at, reason="enough"))

    @precondition(lambda self: self.model.limits())
    @rule(pick=PICK)
    def reach_a_limit(self, pick: int) -> None:
        limit, at = sorted(self.model.limits().items())[pick % len(self.model.limits())]
        self.at = max(self.at, at)
        self.expire(Limit(limit))
        assert self.job.state == "failed"

    @rule(limit=st.sampled_from(Limit))
    def expire(self, limit: Limit) -> None:
        self.model.at = self.at
        self.model.expired(limit.value)
        self.happened(Expired(at=self.at, limit=limit))

    @precondition(lambda self: self.model.by_node)
    @rule(nodes=st.lists(st.sampled_from(NODES), max_size=4), seconds=SECONDS)
    def match(self, nodes: list[str], seconds: float) -> None:
        self.wait(seconds)
        self.model.matched(nodes)
        self.happened(Matched(at=self.at, nodes=tuple(nodes), edition=self.job.edition))

    @rule()
    def find_no_place(self) -> None:
        self.told += 1
        self.model.unplaceable(f"full {self.told}")
        self.happened(Unplaceable(at=self.at, message=f"full {self.told}", edition=self.job.edition))

    @rule(spec=SPECS, type_=st.sampled_from((None, None, None, *TYPES)), seconds=SECONDS)
    def renew(self, spec: tuple[int, int, int], type_: str | None, seconds: float) -> None:
        self.wait(seconds)
        self.model.renewed(type_ or self.model.type, *spec)
        self.happened(Renewed(at=self.at, spec=spec_of(self.model.type, *spec)))
        assert self.job.pins == ()

    # What comes late, twice, from strangers; and what forgets

    @precondition(lambda self: self.model.state in ("completed", "failed"))
    @rule()
    def stop_too_late(self) -> None:
        self.refused(StopRequested(at=self.at, reason="late"))

    @rule(pick=PICK)
    def place_what_does_not_wait(self, pick: int) -> None:
        strangers = ["e-unknown", *(id_of(one) for one in self.model.tries())]
        self.refused(Placed(at=self.at, execution_id=strangers[pick % len(strangers)], node="a"))

    @rule(pick=PICK, how=st.sampled_from(ENDS))
    def end_what_does_not_run(self, pick: int, how: str) -> None:
        strangers = ["e-unknown", *self.world.waiting, *(id_of(one) for one in self.model.tries() if one.how)]
        late = strangers[pick % len(strangers)]
        self.nothing_changes(Ended(at=self.at, execution_id=late, outcome=outcome_of(how, 0, "late")))
        self.nothing_changes(PhaseEntered(at=self.at, execution_id=late, phase=Phase.RUNNING))

    @precondition(lambda self: self.job.edition > 1)
    @rule()
    def tell_of_nodes_for_an_earlier_edition(self) -> None:
        self.nothing_changes(Matched(at=self.at, nodes=NODES, edition=self.job.edition - 1))
        self.nothing_changes(Unplaceable(at=self.at, message="full", edition=self.job.edition - 1))

    @rule(back=st.integers(0, 1), digest=st.sampled_from("xy"))
    def pin(self, back: int, digest: str) -> None:
        before = self.job
        pin = Pin(target="/inputs", location="l", digest=digest, objects=1, size_bytes=1)
        self.happened(Pinned(at=self.at, edition=self.job.edition - back, pin=pin))
        assert self.job.pins == (before.pins if back or before.pins else (pin,))

    @rule()
    def crash(self) -> None:
        self.job = Job.model_validate_json(self.job.model_dump_json())
        self.world = world_of(self.job)

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
        again: Job | None = None
        for event in self.events:
            again, _ = decide(again, event)
        if again is not None:
            assert again == self.job
            assert again.model_dump_json() == self.job.model_dump_json()

    def wait(self, seconds: float) -> None:
        self.at = round(self.at + seconds, 3)
        self.model.at = self.at

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


def outcome_of(how: str, code: int, error: str) -> Outcome:
    if how == "exit":
        return Outcome(exit_code=code)
    kind = "NodeLost" if how == "lost" else "StorageUnavailable"
    return Outcome(error=Failure(kind=kind, message=error), can_retry=how != "never")


Lifecycle.TestCase.settings = settings(
    max_examples=SEQUENCES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLifecycleModel = pytest.mark.timeout(60 + SEQUENCES // 5)(Lifecycle.TestCase)
