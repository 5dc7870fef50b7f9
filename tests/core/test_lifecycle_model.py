"""
The lifecycle against its reference model: anything that can happen to a job of any type, in any order.

A few hundred sequences by default; GADUS_TEST_SEQUENCES=20000 asks for more.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from lifecycle_machine import Telling, Wanted, outcome_of
from lifecycle_promises import id_of
from lifecycle_world import NODES

from gadus.core.job import (
    Ended,
    Limit,
    Matched,
    Phase,
    PhaseEntered,
    Pin,
    Pinned,
    Placed,
    StopRequested,
    Unplaceable,
)

SEQUENCES = int(os.environ.get("GADUS_TEST_SEQUENCES", "400"))
TYPES = st.sampled_from(("batch", "service", "ops", "daemon"))
WANTED = st.tuples(st.sampled_from((2, 1, 3, 0)), st.sampled_from((0, 20, 20)), st.sampled_from((0, 100)))
PICK = st.integers(0, 7)
NODE = st.sampled_from(NODES)
SECONDS = st.sampled_from((0.125, 1.0, 5.0, 70.0, 400.0))
HOW = st.sampled_from(("exit", "again", "lost", "away", "never"))
WELL_OR_AGAIN = st.sampled_from(("exit", "again", "lost", "away"))
CODE = st.sampled_from((0, 7))


class Lifecycle(Telling):
    """
    What goes on has many rules and what ends a job has few, so that most sequences get somewhere.

    For the same reason, news that change nothing come once, and then something else must happen first.
    """

    seen_aside = 0

    @initialize(type_=TYPES, wanted=WANTED)
    def submit(self, type_: str, wanted: Wanted) -> None:
        self.begin(type_, wanted)

    @precondition(lambda self: self.world.waiting)
    @rule(picks=st.lists(PICK, min_size=1, max_size=4), node=NODE)
    def place_some(self, picks: list[int], node: str) -> None:
        for pick in picks[: len(self.world.waiting)]:
            self.place(pick, node, 0.125)

    @precondition(lambda self: self.world.waiting)
    @rule(pick=PICK, node=NODE, how=HOW, code=CODE, seconds=SECONDS)
    def place_and_end(self, pick: int, node: str, how: str, code: int, seconds: float) -> None:
        self.place(pick, node, 0.125)
        self.end(max(self.model.live(), key=lambda one: one.began), how, code, seconds)

    @precondition(lambda self: self.world.waiting)
    @rule(pick=PICK, how=WELL_OR_AGAIN, code=CODE, times=st.integers(2, 13), seconds=SECONDS)
    def place_and_end_again_and_again(self, pick: int, how: str, code: int, times: int, seconds: float) -> None:
        index = list(self.world.waiting.values())[pick % len(self.world.waiting)].vacancy.index
        for _ in range(times):
            waits = [place for place, one in enumerate(self.world.waiting.values()) if one.vacancy.index == index]
            if waits:
                self.place_and_end(waits[0], "a", how, code, seconds)

    @precondition(lambda self: self.world.watched)
    @rule(pick=PICK, how=HOW, code=CODE, seconds=SECONDS)
    def end_one(self, pick: int, how: str, code: int, seconds: float) -> None:
        self.end(self.model.live()[pick % len(self.model.live())], how, code, seconds)

    @precondition(lambda self: self.world.watched)
    @rule(how=WELL_OR_AGAIN, code=CODE)
    def end_all(self, how: str, code: int) -> None:
        for one in self.model.live():
            self.end(one, how, code, 0.125)

    @precondition(lambda self: any(one.stopping for one in self.model.live()))
    @rule()
    def end_what_is_to_stop(self) -> None:
        self.end(next(one for one in self.model.live() if one.stopping), "never", 0, 0.125)

    @precondition(lambda self: self.world.watched)
    @rule(pick=PICK, phase=st.sampled_from(Phase))
    def enter(self, pick: int, phase: Phase) -> None:
        wanted = sorted(self.world.watched)[pick % len(self.world.watched)]
        before = next(one.phase for one in self.job.executions if one.id == wanted)
        self.happened(PhaseEntered(at=self.at, execution_id=wanted, phase=phase))
        after = next(one.phase for one in self.job.executions if one.id == wanted)
        order = (None, *Phase)
        assert order.index(after) == max(order.index(before), order.index(phase)), "phases go forward only"

    @precondition(lambda self: self.world.matching)
    @rule(nodes=st.lists(NODE, max_size=4))
    def match_what_is_asked_for(self, nodes: list[str]) -> None:
        self.match(nodes)

    @precondition(lambda self: not self.job.state.final)
    @rule(what=st.sampled_from(("stop", "no place", "limit")), pick=PICK)
    def cut_short(self, what: str, pick: int) -> None:
        limits = sorted(self.model.limits().items())
        if what == "stop":
            self.stop()
        elif what == "no place":
            self.find_no_place()
        elif limits:
            limit, at = limits[pick % len(limits)]
            self.at = max(self.at, at)
            self.expire(Limit(limit))
            assert self.job.state == "failed"

    @rule(type_=st.one_of(st.none(), st.none(), TYPES), wanted=WANTED)
    def renew_it(self, type_: str | None, wanted: Wanted) -> None:
        self.renew(type_ or self.model.type, wanted)

    @precondition(lambda self: self.world.watched)
    @rule(wanted=WANTED, how=WELL_OR_AGAIN, nodes=st.lists(NODE, min_size=1, max_size=2))
    def renew_it_and_run_what_can_while_the_edition_before_still_ends(self, wanted: Wanted, how: str, nodes: list[str]) -> None:
        self.renew(self.model.type, wanted)
        if self.world.matching:
            self.match(nodes)
        for vacancy in self.job.vacancies:
            if vacancy.id in self.world.waiting:
                self.place_and_end(list(self.world.waiting).index(vacancy.id), "a", how, 0, 1.0)

    @rule()
    def crash_now(self) -> None:
        self.crash()

    @precondition(lambda self: len(self.events) > self.seen_aside)
    @rule(back=st.integers(0, 1), digest=st.sampled_from("xy"))
    def pin(self, back: int, digest: str) -> None:
        before = self.job
        pin = Pin(target="/inputs", location="l", digest=digest, objects=1, size_bytes=1)
        self.happened(Pinned(at=self.at, edition=self.job.edition - back, pin=pin))
        assert self.job.pins == (before.pins if back or before.pins else (pin,))
        self.seen_aside = len(self.events)

    @precondition(lambda self: len(self.events) > self.seen_aside)
    @rule(pick=PICK, how=HOW, limit=st.sampled_from(Limit))
    def tell_what_is_not_so(self, pick: int, how: str, limit: Limit) -> None:
        """What comes late, twice, from strangers, or for an earlier edition."""
        placed = [id_of(one) for one in self.model.tries()]
        over = [id_of(one) for one in self.model.tries() if one.how]
        strangers = ["e-unknown", *self.world.waiting, *over]
        late = strangers[pick % len(strangers)]
        self.nothing_changes(Ended(at=self.at, execution_id=late, outcome=outcome_of(how, 0, "late")))
        self.nothing_changes(PhaseEntered(at=self.at, execution_id=late, phase=Phase.RUNNING))
        self.refused(Placed(at=self.at, execution_id=["e-unknown", *placed][pick % (len(placed) + 1)], node="a"))
        if self.job.edition > 1:
            self.nothing_changes(Matched(at=self.at, nodes=NODES, edition=self.job.edition - 1))
            self.nothing_changes(Unplaceable(at=self.at, message="full", edition=self.job.edition - 1))
        if self.job.state in ("completed", "failed"):
            self.refused(StopRequested(at=self.at, reason="late"))
        if self.model.limits().get(limit.value, self.at + 1) > self.at:
            self.expire(limit)
        if not self.model.asked_for_nodes:
            self.match(["d"])
        if self.job.state.final or not self.world.waiting:
            self.find_no_place()
        self.seen_aside = len(self.events)


Lifecycle.TestCase.settings = settings(
    max_examples=SEQUENCES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLifecycleModel = pytest.mark.timeout(60 + SEQUENCES // 5)(Lifecycle.TestCase)
