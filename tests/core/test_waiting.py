"""Who waits gets a place in the end, the more important ones sooner, and no node is given more than it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadus.core import waiting as queue
from gadus.core.capacity import Amounts
from gadus.core.placement import Needs, Node, reasons_against
from gadus.core.waiting import PATIENCE_SECONDS, PRIORITY_SECONDS, Entry, Waiting

GIB = 2**30


def needs(cpu_cores: float = 1, **more: object) -> Needs:
    return Needs(Amounts(cpu_cores, **more), "docker")  # type: ignore[arg-type]


def entry(name: str, needs_: Needs | None = None, *, job: str = "", **more: object) -> Entry:
    fields: dict[str, object] = {"index": 0, "priority": 0, "since": 0.0} | more
    return Entry(job or f"job of {name}", name, needs=needs_ or needs(), **fields)  # type: ignore[arg-type]


def node(name: str, cpu_cores: float = 4, gpus: int = 0) -> Node:
    return Node(name, cpu_cores, 8 * GIB, 8 * GIB, gpus)


@dataclass
class Cluster:
    """Nodes, who waits for them, and who runs on them; the clock is a number."""

    nodes: list[Node]
    waiting: Waiting = field(default_factory=Waiting)
    running: dict[str, tuple[Entry, str]] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)
    now: float = 0.0

    @property
    def free(self) -> Mapping[str, Amounts]:
        free = {one.id: one.total for one in self.nodes}
        for entry_, node_id in self.running.values():
            free[node_id] -= entry_.needs.amounts
        return free

    def already(self, job_id: str) -> Mapping[str, int]:
        return Counter(node_id for entry_, node_id in self.running.values() if entry_.job_id == job_id)

    def add(self, *entries: Entry) -> None:
        for one in entries:
            self.waiting.add(one)

    def place(self) -> list[str]:
        """Place whoever fits; gives their names in order."""
        names = []
        while found := self.waiting.next(self.nodes, self.free, self.already, self.now):
            self.waiting.remove(found[0].execution_id)
            self.running[found[0].execution_id] = found
            names.append(found[0].execution_id)
        self.placed += names
        return names

    def end(self, name: str) -> None:
        del self.running[name]


def test_who_waits_longest_is_first_whatever_the_order_of_coming() -> None:
    cluster = Cluster([node("n")])
    cluster.add(entry("third", since=3), entry("first", since=1), entry("second", needs(2), since=2))
    assert cluster.place() == ["first", "second", "third"]


def test_executions_of_a_job_start_in_the_order_of_their_index() -> None:
    cluster = Cluster([node("n", 8)])
    cluster.add(*(entry(f"e{index}", job="j", index=index) for index in (3, 0, 2, 1)))
    assert cluster.place() == ["e0", "e1", "e2", "e3"]


@pytest.mark.parametrize(("head_start", "first"), [(PRIORITY_SECONDS - 1, "urgent"), (PRIORITY_SECONDS + 1, "patient")])
def test_a_priority_is_worth_ten_minutes_of_waiting_and_no_more(head_start: float, first: str) -> None:
    cluster = Cluster([node("n", 1)])
    cluster.add(entry("patient", since=0), entry("urgent", priority=1, since=head_start))
    assert cluster.place() == [first]


def test_a_priority_beyond_all_numbers_is_a_priority() -> None:
    cluster = Cluster([node("n", 1)])
    cluster.add(entry("low", priority=-(10**400)), entry("usual"), entry("high", priority=10**400, since=1000))
    assert cluster.place() == ["high"]
    cluster.end("high")
    assert cluster.place() == ["usual"]


def test_executions_of_a_job_are_spread() -> None:
    cluster = Cluster([node("a"), node("b"), node("c")])
    cluster.add(*(entry(f"e{index}", job="j", index=index) for index in range(3)))
    cluster.place()
    assert sorted(node_id for _, node_id in cluster.running.values()) == ["a", "b", "c"]


def test_nodes_that_have_the_inputs_are_preferred() -> None:
    waiting = Waiting()
    waiting.add(entry("e", job="j"))
    nodes = [node("a"), node("b")]
    free = {one.id: one.total for one in nodes}
    found = waiting.next(nodes, free, lambda _: {}, 0.0, {"j": {"b": 10}}.__getitem__)
    assert found is not None
    assert found[1] == "b"


def test_an_entry_for_one_node_waits_for_that_node() -> None:
    cluster = Cluster([node("a"), node("b")])
    cluster.add(*(entry(f"e{index}", needs(3), only_node="b", index=index) for index in range(2)))
    assert cluster.place() == ["e0"]
    cluster.end("e0")
    assert cluster.place() == ["e1"]
    assert cluster.running["e1"][1] == "b"


def test_a_node_that_refused_an_entry_is_not_asked_again() -> None:
    cluster = Cluster([node("a")])
    cluster.add(entry("e", but_not=frozenset({"a"})))
    assert cluster.place() == []
    cluster.nodes.append(node("b"))
    assert cluster.place() == ["e"]
    assert cluster.running["e"][1] == "b"


def test_small_ones_overtake_a_big_one_only_as_long_as_it_is_patient() -> None:
    """
    1. A small one runs; a big one that needs the whole node comes, and small ones after it.
    2. For a while the small ones may use what is free.
    3. When the big one has waited too long, the next small ones stay out although they would fit.
    4. The node becomes empty, and the big one runs.
    """
    cluster = Cluster([node("n", 4)])
    cluster.add(entry("s0", since=0))
    cluster.place()
    cluster.add(entry("big", needs(4), since=1), entry("s1", since=2))
    cluster.now = 1 + PATIENCE_SECONDS
    assert cluster.place() == ["s1"]
    cluster.now = 1.1 + PATIENCE_SECONDS
    cluster.add(entry("s2", since=3))
    assert cluster.place() == []
    cluster.end("s0")
    assert cluster.place() == []
    cluster.end("s1")
    assert cluster.place() == ["big"]
    cluster.end("big")
    assert cluster.place() == ["s2"]


def test_nodes_that_the_impatient_one_cannot_use_are_used_by_others() -> None:
    cluster = Cluster([node("plain"), node("with-gpu", gpus=1)], now=1000)
    cluster.add(entry("g0", needs(1, gpus=1), since=0))
    cluster.place()
    cluster.add(entry("g1", needs(1, gpus=1), since=1), *(entry(f"e{number}", since=2) for number in range(5)))
    cluster.place()
    assert Counter(node_id for _, node_id in cluster.running.values()) == {"with-gpu": 1, "plain": 4}


def test_who_fits_no_node_at_all_holds_nobody_up_and_runs_when_a_node_comes() -> None:
    cluster = Cluster([node("n", 4)], now=10_000)
    cluster.add(entry("giant", needs(64), priority=100), entry("elsewhere", only_node="gone", priority=100), entry("e"))
    assert cluster.place() == ["e"]
    cluster.nodes.append(node("giant", 64))
    assert cluster.place() == ["giant"]
    cluster.nodes.append(node("gone"))
    assert cluster.place() == ["elsewhere"]


def test_more_entries_that_fit_no_node_than_one_call_looks_at_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_SHAPES_LOOKED_AT", 10)
    cluster = Cluster([node("n", 4)])
    cluster.add(*(entry(f"giant-{number}", needs(64 + number)) for number in range(50)), entry("e", since=1))
    assert cluster.place() == ["e"]


def test_one_call_looks_at_a_bounded_number_of_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_SHAPES_LOOKED_AT", 10)
    waiting = Waiting()
    for number in range(50):
        waiting.add(entry(f"e{number}", needs(2 + number / 1000, memory_bytes=1), since=number))
    asked = []
    # No node has room for any of them, but all nodes together look as if there were: each shape is looked at in earnest.
    free = {"n": Amounts(4, 0), "m": Amounts(1, GIB)}
    assert waiting.next([node("n"), node("m")], free, lambda job_id: asked.append(job_id) or {}, 0.0) is None
    assert asked == [f"job of e{number}" for number in range(10)]


def test_of_a_hundred_thousand_only_the_first_of_each_kind_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten kinds on two nodes: what is asked per call does not depend on how many wait."""
    kinds, rooms, examined, ranked_ = 10, 200, [], []
    may_run, ranked = queue._may_run, queue.ranked
    monkeypatch.setattr(queue, "_may_run", lambda *asked: examined.append(asked) or may_run(*asked))
    monkeypatch.setattr(queue, "ranked", lambda *asked, **more: ranked_.append(asked) or ranked(*asked, **more))
    cluster = Cluster([node("a", rooms / 2), node("b", rooms / 2)])
    cluster.add(*(entry(f"e{n}", needs(memory_bytes=n % kinds), job="j", index=n) for n in range(100_000)))
    assert cluster.place() == [f"e{n}" for n in range(rooms)]
    # Where a kind could run at all is found out once; to place one is to rank nodes once.
    assert (len(examined), len(ranked_)) == (kinds * 2, rooms)
    # Nodes that are full cost nothing, whoever waits.
    assert cluster.place() == []
    assert len(ranked_) == rooms
    # Equal needs are kept once.
    assert len({id(waits.needs) for _, waits, _ in cluster.waiting._entries.values()}) == kinds


def test_a_removed_entry_is_never_placed_also_when_it_came_back() -> None:
    cluster = Cluster([node("n", 1)])
    cluster.add(entry("a", since=1), entry("b", since=2), entry("c", since=3))
    cluster.waiting.remove("a")
    cluster.waiting.remove("nobody")
    assert "a" not in cluster.waiting
    cluster.add(entry("a", since=1), entry("a", since=0))
    cluster.waiting.remove("a")
    cluster.add(entry("a", since=9))
    assert len(cluster.waiting) == 3
    order = []
    while names := cluster.place():
        order += names
        cluster.end(names[0])
    assert order == ["b", "c", "a"]


def test_a_removed_job_takes_its_executions_alone_with_it() -> None:
    cluster = Cluster([node("n", 100)])
    cluster.add(*(entry(f"{job}{index}", needs(1 + index), job=job, index=index) for job in "ab" for index in range(3)))
    cluster.waiting.remove_job("a")
    cluster.waiting.remove_job("a")
    assert len(cluster.waiting) == 3
    assert cluster.place() == ["b0", "b1", "b2"]
    assert len(cluster.waiting) == 0


@pytest.mark.parametrize("order", [1, -1])
def test_entries_that_come_and_go_leave_nothing_behind(order: int) -> None:
    waiting = Waiting()
    waiting.add(entry("stays", needs(2), since=0))
    waiting.add(entry("too", since=0))
    for number in range(1, 5000):
        waiting.add(entry(f"e{number}", needs(1 + number % 3), since=order * number))
        waiting.remove(f"e{number}")
        waiting.next([], {}, lambda _: {}, 0.0)
    assert len(waiting._lines) == 2
    assert sum(len(line.heap) for line in waiting._lines.values()) < 300
    assert len(waiting._firsts) < 300
    assert len(waiting._of_job) == 2


shapes = st.builds(
    needs,
    st.sampled_from([0.1, 0.5, 1, 2, 3, 4, 8, 9]),
    memory_bytes=st.sampled_from([0, GIB, 8 * GIB]),
    gpus=st.sampled_from([0, 0, 0, 1, 2]),
)
clusters = st.lists(st.builds(node, st.just(""), st.sampled_from([1, 4, 8]), st.integers(0, 2)), min_size=1, max_size=4).map(
    lambda nodes: [node(f"n{number}", one.cpu_cores, one.gpus) for number, one in enumerate(nodes)]
)
comings = st.lists(st.tuples(shapes, st.integers(-2, 3), st.sampled_from(["", "", "n0", "n1"]), st.integers(0, 3)), max_size=30)


def possible(cluster: Cluster, one: Entry) -> bool:
    return any(not reasons_against(candidate, one.needs) for candidate in cluster.nodes if one.only_node in ("", candidate.id))


@settings(deadline=None, max_examples=150)
@given(clusters, comings, st.randoms(use_true_random=False))
def test_nobody_is_given_what_is_not_there_and_all_who_can_run_do(nodes: list[Node], coming: list, random: object) -> None:
    """Executions come, some are withdrawn, some end, in any order: no node is ever overdrawn, and in the end all have run."""
    cluster = Cluster(nodes)
    expected, withdrawn = set(), set()
    for number, (asked, priority, only_node, job) in enumerate(coming):
        one = entry(f"e{number}", asked, job=f"j{job}", index=number, priority=priority, since=cluster.now, only_node=only_node)
        cluster.add(one)
        if possible(cluster, one):
            expected.add(one.execution_id)
        cluster.now += 7
        action = random.random()  # type: ignore[attr-defined]
        if action < 0.2:
            victim = f"e{random.randrange(number + 1)}"  # type: ignore[attr-defined]
            if victim in cluster.waiting:
                cluster.waiting.remove(victim)
                withdrawn.add(victim)
        elif action < 0.6:
            cluster.place()
        elif cluster.running:
            cluster.end(random.choice(sorted(cluster.running)))  # type: ignore[attr-defined]
        assert all(Amounts().fits_in(left) and left.cpu_cores > -1e-5 for left in cluster.free.values())
        assert all(left.memory_bytes >= 0 and left.gpus >= 0 for left in cluster.free.values())
    cluster.place()
    while cluster.running:
        cluster.end(random.choice(sorted(cluster.running)))  # type: ignore[attr-defined]
        cluster.now += 1
        cluster.place()
    assert Counter(cluster.placed) == Counter(expected - withdrawn)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3), st.integers(0, 3), st.sampled_from([2, 3, 4]))
def test_a_big_one_runs_although_small_and_more_urgent_ones_never_stop_coming(lasts: int, priority: int, big: int) -> None:
    """Every ten seconds enough small ones come to fill the node for ever; the big one, of the lowest priority, still runs."""
    cluster = Cluster([node("n", 4)])
    cluster.add(*(entry(f"before-{number}") for number in range(4)))
    cluster.place()
    cluster.add(entry("big", needs(big), since=0))
    ends = {name: float(lasts) for name in cluster.running}
    steps = 0
    while "big" not in cluster.running:
        steps += 1
        assert steps < 60 * priority * (lasts + 1) + 60, "all who are worth more have run, and some patience"
        cluster.now += 10
        cluster.add(*(entry(f"s{steps}-{number}", priority=priority, since=cluster.now) for number in range(4)))
        for name in [name for name, at in ends.items() if at <= steps]:
            cluster.end(name)
            del ends[name]
        for number, name in enumerate(cluster.place()):
            ends[name] = steps + lasts + number % 2


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3000), st.integers(1, 4)), min_size=1, max_size=20))
def test_among_those_that_fit_the_order_is_that_of_worth(coming: list[tuple[int, int, int]]) -> None:
    cluster = Cluster([node("n", 100)])
    entries = [
        entry(f"e{number}", needs(cpus), index=number, priority=priority, since=float(since))
        for number, (priority, since, cpus) in enumerate(coming)
    ]
    cluster.add(*entries)
    assert cluster.place() == [one.execution_id for one in sorted(entries, key=lambda one: (one.worth, one.index))]
