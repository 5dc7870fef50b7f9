"""Every reason against a node is told, and the best of the others is chosen, always the same one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadus.core.capacity import Amounts
from gadus.core.placement import Needs, Node, needs_of, rank, reasons_against, shortage, unmet
from gadus.core.spec import Constraint, JobSpec

GIB = 2**30
LABELS = {"zone": "a", "cores": "8", "GPU-0": "Tesla-T4", "empty": ""}
NODE = Node("n1", 4, 8 * GIB, 100 * GIB, 1, LABELS)
NEEDS = Needs(Amounts(1, GIB), "docker", sources=("s3",), stateless=False)


def constraint(key: str, operator: str, *values: str) -> Constraint:
    return Constraint.model_validate({"Key": key, "Operator": operator, "Values": list(values)})


def node(name: str, **changes: object) -> Node:
    return replace(NODE, id=name, **changes)  # type: ignore[arg-type]


def order(nodes: list[Node], needs: Needs = NEEDS, **more: dict[str, int]) -> list[str]:
    free = {one.id: one.total for one in nodes}
    return [one.node.id for one in rank(nodes, free, needs, already=more.get("already", {}), cached_bytes=more.get("cached"))]


@pytest.mark.parametrize(
    ("key", "operator", "values", "holds"),
    [
        ("zone", "=", ["a"], True),
        ("zone", "==", ["b"], False),
        ("gone", "=", ["a"], False),
        ("empty", "=", [""], True),
        ("gone", "=", [""], False),
        ("zone", "!=", ["b"], True),
        ("zone", "!=", ["a"], False),
        ("gone", "!=", ["a"], True),
        ("zone", "in", ["a", "b"], True),
        ("zone", "in", ["b", "c"], False),
        ("gone", "in", ["a"], False),
        ("zone", "notin", ["b"], True),
        ("zone", "notin", ["a", "b"], False),
        ("gone", "notin", ["a"], True),
        ("empty", "exists", [], True),
        ("gone", "exists", [], False),
        ("zone", "!", [], False),
        ("gone", "!", [], True),
        ("cores", "gt", ["7"], True),
        ("cores", "gt", ["8"], False),
        ("cores", "lt", ["10"], True),
        ("cores", "lt", ["-1"], False),
        ("zone", "gt", ["1"], False),
        ("gone", "lt", ["1"], False),
        ("GPU-0", "=", ["Tesla-T4"], True),
        ("Zone", "exists", [], False),
    ],
)
def test_every_operator_holds_exactly_when_it_says(key: str, operator: str, values: list[str], holds: bool) -> None:
    asked = constraint(key, operator, *values)
    assert (unmet(LABELS, [asked]) == []) == holds
    assert (reasons_against(NODE, replace(NEEDS, constraints=(asked,))) == ()) == holds


def test_an_unmet_constraint_is_told_with_the_label_that_is_there() -> None:
    assert unmet(LABELS, [constraint("zone", "in", "b", "c")]) == ["constraint zone in b c is not met: the label is 'a'"]
    assert unmet(LABELS, [constraint("gone", "exists")]) == ["constraint gone exists is not met: the label is 'absent'"]


def test_every_reason_against_a_node_is_told() -> None:
    strict = node(
        "strict",
        engines=frozenset({"wasm"}),
        sources=frozenset({"inline", "urldownload"}),
        publishers=frozenset(),
        accepts_network=False,
        per_job=Amounts(2, 4 * GIB, 10 * GIB, 0),
    )
    needs = Needs(
        Amounts(3, 5 * GIB, 11 * GIB, 1),
        "docker",
        ("inline", "s3"),
        "local",
        network=True,
        stateless=False,
        constraints=(constraint("zone", "=", "b"),),
    )
    assert reasons_against(strict, needs) == (
        "constraint zone = b is not met: the label is 'a'",
        "does not support docker, only wasm",
        "does not support s3, only inline, urldownload",
        "does not support local, only none",
        "does not run jobs that require network access",
        "job requires more CPU (3) than the maximum available (2)",
        "job requires more Memory (5.0 GiB) than the maximum available (4.0 GiB)",
        "job requires more Disk (11.0 GiB) than the maximum available (10.0 GiB)",
        "job requires more GPU (1) than the maximum available (0)",
    )


def test_a_node_that_wants_data_rejects_jobs_without_inputs() -> None:
    wants_data = node("n", rejects_stateless=True)
    assert reasons_against(wants_data, NEEDS) == ()
    assert reasons_against(wants_data, replace(NEEDS, sources=(), stateless=True)) == ("does not run jobs without inputs",)


def test_a_limit_for_one_job_above_the_machine_gives_no_more_than_the_machine() -> None:
    assert reasons_against(node("n", per_job=Amounts(64, 8 * GIB, 8 * GIB, 8)), replace(NEEDS, amounts=Amounts(5))) == (
        "job requires more CPU (5) than the maximum available (4)",
    )


def test_a_job_without_a_publisher_may_run_where_none_is_allowed() -> None:
    assert reasons_against(node("n", publishers=frozenset()), NEEDS) == ()


def test_executions_of_a_job_are_spread_before_anything_else() -> None:
    nodes = [node("a"), node("b", cpu_cores=64), node("c")]
    assert order(nodes, already={"a": 1, "b": 1}, cached={"a": 10**12}) == ["c", "a", "b"]


def test_a_wish_moves_a_node_forward_and_never_rules_one_out() -> None:
    wish = replace(NEEDS, constraints=(constraint("favour_zone", "=", "z"),))
    nodes = [node("a"), node("b", labels={"zone": "z"})]
    assert order(nodes, wish, cached={"a": 10**12}) == ["b", "a"]
    assert reasons_against(nodes[0], wish) == ()


def test_cached_bytes_count_more_than_room_and_room_more_than_names() -> None:
    nodes = [node("a"), node("b"), node("c")]
    assert order(nodes, cached={"b": 1, "c": 2}) == ["c", "b", "a"]
    free = {"a": Amounts(1, GIB, 0), "b": Amounts(2, 2 * GIB, 0), "c": Amounts(4, 8 * GIB, 0)}
    assert [one.node.id for one in rank(nodes, free, NEEDS, already={})] == ["c", "b", "a"]
    assert order(nodes[::-1]) == ["a", "b", "c"]


def test_a_node_without_room_or_that_is_unknown_is_not_ranked() -> None:
    nodes = [node("busy"), node("gone"), node("free"), node("small", memory_bytes=1)]
    free = {"busy": Amounts(0.5, GIB), "free": Amounts(1, GIB), "small": Amounts(4, GIB)}
    assert [one.node.id for one in rank(nodes, free, NEEDS, already={})] == ["free"]


@settings(deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_the_order_of_nodes_does_not_matter(permuted: list[int], live: list[int]) -> None:
    nodes = [node(f"n{number}") for number in range(6)]
    already = {one.id: count for one, count in zip(nodes, live, strict=True)}
    assert order([nodes[number] for number in permuted], already=already) == order(nodes, already=already)


def test_a_shortage_names_every_node_with_its_reasons_in_bacalhaus_words() -> None:
    nodes = [
        node("n-0c4f5a1e-1111-2222-3333-444455556666"),
        node("host-with-a-long-name.example", labels={}),
        node("free"),
        node("small-1", cpu_cores=0.5, accepts_network=False),
        node("small-2", cpu_cores=0.5, accepts_network=False),
    ]
    free = {one.id: one.total for one in nodes} | {nodes[0].id: Amounts(0.5, 8 * GIB, 0, 0)}
    needs = replace(NEEDS, amounts=Amounts(2, GIB), network=True, constraints=(constraint("zone", "exists"),))
    assert shortage(nodes, free, needs, 3) == (
        "not enough nodes to run job. requested: 3, available: 5, suitable: 1.\n"
        "• Node n-0c4f5a1e: node busy: needs CPU 2, free 0.5\n"
        "• Node host-with-a-long-name.example: constraint zone exists is not met: the label is 'absent'\n"
        "• 2 of 5 nodes: does not run jobs that require network access; "
        "job requires more CPU (2) than the maximum available (0.5)"
    )


def test_a_shortage_tells_who_refused_and_why_a_node_with_room_does_not_run_it() -> None:
    nodes = [node("refuses"), node("has-room"), node("never", labels={})]
    free = {one.id: one.total for one in nodes}
    needs = replace(NEEDS, constraints=(constraint("zone", "exists"),))
    told = shortage(nodes, free, needs, 1, refused={"refuses": "not on Sundays"}, otherwise="others come first")
    assert told == (
        "not enough nodes to run job. requested: 1, available: 3, suitable: 0.\n"
        "• Node refuses: not on Sundays\n"
        "• Node has-room: others come first\n"
        "• Node never: constraint zone exists is not met: the label is 'absent'"
    )


def test_a_shortage_of_all_nodes_says_so() -> None:
    assert shortage([], {}, NEEDS, 1) == "not enough nodes to run job. requested: 1, available: 0, suitable: 0."


SPEC = JobSpec.model_validate(
    {
        "Type": "batch",
        "Constraints": [{"Key": "zone", "Operator": "=", "Values": ["a"]}],
        "Tasks": [
            {
                "Name": "t",
                "Engine": {"Type": "Docker"},
                "Publisher": {"Type": "Local"},
                "InputSources": [
                    {"Source": {"Type": "S3"}, "Target": "/a"},
                    {"Source": {"Type": "inline"}, "Target": "/b"},
                    {"Source": {"Type": "s3"}, "Target": "/c"},
                ],
                "Network": {"Type": "HTTP", "Domains": ["example.com"]},
                "Resources": {"CPU": "2", "Disk": "1GB"},
            }
        ],
    }
)


def test_needs_are_what_the_job_asks_with_defaults_for_the_rest() -> None:
    assert needs_of(SPEC, Amounts(0.5, 512, 7, 1)) == Needs(
        Amounts(2, 512, 10**9, 1),
        "docker",
        ("inline", "s3"),
        "local",
        network=True,
        stateless=False,
        constraints=SPEC.constraints,
    )


def test_needs_survive_the_store_and_the_same_needs_are_the_same_text() -> None:
    needs = needs_of(SPEC, Amounts())
    assert Needs.from_json(needs.to_json()) == needs
    assert Needs.from_json(needs.to_json()).to_json() == needs.to_json()
    assert len({needs, Needs.from_json(needs.to_json())}) == 1
