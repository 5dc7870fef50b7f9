"""Partitions: every object falls to exactly one execution, the same one as in Bacalhau."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gadus.core.errors import Bug, InvalidSpec
from gadus.core.jobfile.decode import decode_params
from gadus.core.partition import InputParams, Partition, balanced, fnv1a_32
from gadus.storage._s3_params import S3Params

US = "\x1f"


def partition(kind: str, **params: Any) -> Partition:
    return Partition.model_validate({"Type": kind} | params)


def s3(key: str, **params: Any) -> S3Params:
    return S3Params.model_validate({"Bucket": "bucket", "Key": key} | params)


def indexes(params: S3Params, keys: Sequence[str], count: int) -> list[int]:
    return [params.partition.index_of(key, params.subject(key), count) for key in keys]


@pytest.mark.parametrize(
    ("text", "hashed", "indexes"),
    [
        ("file1.txt", 1035260656, (0, 1, 0, 1)),
        ("file2.txt", 2974945573, (1, 1, 1, 3)),
        ("file3.txt", 742574214, (0, 0, 2, 4)),
        ("file4.txt", 815162931, (1, 0, 3, 1)),
        ("123", 1916298011, (1, 2, 3, 1)),
        ("456", 506952508, (0, 1, 0, 3)),
        ("789", 2447088649, (1, 1, 1, 4)),
        (f"123{US}456", 3528981251, (1, 2, 3, 1)),
        ("2023-01-01", 4287075188, (0, 2, 0, 3)),
        ("2023-01-02", 42440749, (1, 1, 1, 4)),
        ("2023-01-03", 25663130, (0, 2, 2, 0)),
        ("用", 2897108954, (0, 2, 2, 4)),
        ("户", 4275960348, (0, 0, 0, 3)),
        ("", 2166136261, (1, 1, 1, 1)),
    ],
)
def test_hash_and_index_have_bacalhaus_values(text: str, hashed: int, indexes: tuple[int, ...]) -> None:
    assert fnv1a_32(text.encode()) == hashed
    assert tuple(partition("object").index_of(text, "", count) for count in (2, 3, 4, 5)) == indexes


@given(st.binary(), st.binary())
def test_hash_continues_where_it_stopped(first: bytes, second: bytes) -> None:
    assert fnv1a_32(second, fnv1a_32(first)) == fnv1a_32(first + second)


def test_object_looks_at_the_whole_key_with_its_prefix() -> None:
    params = s3("data/", Partition={"Type": "object"})
    assert indexes(params, ["data/file1.txt", "data/sub/x"], 5) == [
        fnv1a_32(b"data/file1.txt") % 5,
        fnv1a_32(b"data/sub/x") % 5,
    ]


def test_regex_uses_the_groups_of_the_first_match() -> None:
    keys = ["prefix/user123/a", "prefix/user456/a", "prefix/user789/a", "prefix/invalid/a"]
    params = s3("prefix/", Partition={"Type": "regex", "Pattern": r"user(\d+)"})
    assert indexes(params, keys, 4) == [3, 0, 1, 0]


@pytest.mark.parametrize(
    ("pattern", "text", "hashed"),
    [
        (r"(\d+)-(\d+)", "123-456 789-0", f"123{US}456"),
        (r"(x)?(\d+)(y)?", "a123", "123"),
        (r"()(\d+)", "123", "123"),
        (r"\d+", "a123b456", "123"),
        (r"(x)?\d+", "123", "123"),
        ("用|户", "的用户", "用"),
        # As in RE2, only ASCII digits are digits.
        (r"\d+|用", "٣用", "用"),
    ],
)
def test_regex_joins_groups_that_are_not_empty_else_takes_the_match(pattern: str, text: str, hashed: str) -> None:
    assert partition("regex", Pattern=pattern).index_of("", text, 1000) == fnv1a_32(hashed.encode()) % 1000


@pytest.mark.parametrize(("pattern", "text"), [("()", "anything"), ("x*", "abc"), ("x", "abc"), ("x", "")])
def test_regex_without_a_match_or_with_an_empty_one_is_the_first_index(pattern: str, text: str) -> None:
    assert partition("regex", Pattern=pattern).index_of("k", text, 1000) == 0


@pytest.mark.parametrize(
    ("start", "end", "text", "hashed"),
    [(0, 3, "123456", "123"), (3, 6, "123456", "456"), (0, 1, "用户", "用"), (1, 2, "用户", "户"), (0, 3, "123", "123")],
)
def test_substring_counts_characters_and_leaves_out_the_last(start: int, end: int, text: str, hashed: str) -> None:
    found = partition("substring", StartIndex=start, EndIndex=end).index_of("", text, 1000)
    assert found == fnv1a_32(hashed.encode()) % 1000


@pytest.mark.parametrize("text", ["", "12", "用户"])
def test_substring_of_a_shorter_key_is_the_first_index(text: str) -> None:
    assert partition("substring", StartIndex=0, EndIndex=3).index_of("", text, 1000) == 0


def test_date_is_read_at_the_beginning_of_what_follows_the_prefix() -> None:
    params = s3("logs/", Partition={"Type": "date", "DateFormat": "2006-01-02"})
    keys = ["logs/2023-01-01/a", "logs/2023-01-02.gz", "logs/2023-01-03"]
    assert [indexes(params, keys, count) for count in (2, 3, 4, 5)] == [[0, 1, 0], [2, 1, 2], [0, 1, 2], [3, 4, 0]]


@pytest.mark.parametrize("text", ["2023-01.txt", "", "x2023-01-02", "2023-02-30", "2023-13-01", "2023-1-2"])
def test_date_that_is_none_is_the_first_index(text: str) -> None:
    assert partition("date", DateFormat="2006-01-02").index_of("", text, 1000) == 0


def test_date_takes_as_many_bytes_as_its_layout_has() -> None:
    dates = partition("date", DateFormat="2006é01")
    assert dates.index_of("", "2023é11-more", 1000) == fnv1a_32("2023é11".encode()) % 1000
    names = partition("date", DateFormat="January")
    assert names.index_of("", "october!", 1000) == fnv1a_32(b"October") % 1000
    assert names.index_of("", "september", 1000) == 0


def test_layout_without_any_date_puts_all_that_begin_with_it_in_one_part() -> None:
    dates = partition("date", DateFormat="abc")
    assert dates.index_of("", "abcdef", 1000) == fnv1a_32(b"abc") % 1000
    assert dates.index_of("", "abd", 1000) == 0


@pytest.mark.parametrize(
    "of",
    [
        {"Type": "regex", "Pattern": "x"},
        {"Type": "substring", "StartIndex": 0, "EndIndex": 1},
        {"Type": "date", "DateFormat": "2006"},
    ],
)
def test_a_single_object_falls_to_the_first_execution(of: dict[str, Any]) -> None:
    assert indexes(s3("a/2023x", Partition=of), ["a/2023x"], 4) == [0]


def test_a_single_object_by_key_falls_to_one_execution() -> None:
    assert indexes(s3("file4.txt", Partition={"Type": "object"}), ["file4.txt"], 4) == [3]


@pytest.mark.parametrize(
    ("params", "field", "what"),
    [
        ({"Type": "Object"}, ".Type", "unsupported partition key type Object: did you mean object?"),
        ({"Type": "size"}, ".Type", "known: none, object, regex, substring, date, bytes"),
        ({"Type": "regex"}, "", "Pattern: regex pattern cannot be empty"),
        ({"Type": "regex", "Pattern": "("}, "", "Pattern '(': invalid regex pattern: missing )"),
        ({"Type": "regex", "Pattern": "(?=x)"}, "", "invalid regex pattern"),
        ({"Type": "regex", "Pattern": "x" * 1025}, "", "it is over 1024 bytes"),
        ({"Type": "substring", "StartIndex": -1, "EndIndex": 2}, "", "StartIndex -1: start index cannot be negative"),
        ({"Type": "substring", "StartIndex": 2, "EndIndex": 2}, "", "EndIndex 2: end index must be greater than start index"),
        ({"Type": "substring"}, "", "end index must be greater than start index"),
        ({"Type": "substring", "StartIndex": "1"}, ".StartIndex", "expected a whole number"),
        ({"Type": "date"}, "", "DateFormat: date format cannot be empty"),
        ({"Type": "date", "DateFormat": "12"}, "", "invalid date format: 12"),
        ({"Type": "date", "DateFormat": "x" * 1025}, "", "DateFormat is over 1024 bytes"),
        ({"Typ": "date"}, ".Typ", "did you mean Type?"),
    ],
)
def test_wrong_partitions_are_refused_at_submission(params: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        decode_params(S3Params, {"Bucket": "bucket", "Partition": params}, "Params")
    (problem,) = caught.value.problems
    assert problem.startswith(f"Params.Partition{field}: ")
    assert what in problem


def test_params_of_another_type_are_ignored() -> None:
    params = {"Pattern": "(", "StartIndex": -1, "DateFormat": "12"}
    assert partition("object", **params).index_of("file4.txt", "", 4) == 3
    assert partition("", **params).shares_out is False


@pytest.mark.parametrize("kind", ["", "none"])
def test_without_a_partition_nothing_is_shared_out(kind: str) -> None:
    assert not partition(kind).shares_out
    assert not InputParams().partition.shares_out
    with pytest.raises(Bug):
        partition(kind).index_of("k", "k", 2)


def test_a_count_of_nothing_is_a_defect() -> None:
    with pytest.raises(Bug, match="job partitions/count must be greater than 0"):
        partition("object").index_of("k", "k", 0)
    with pytest.raises(Bug, match="job partitions/count must be greater than 0"):
        balanced([1], 0)


PARTITIONS = st.sampled_from(
    [
        partition("object"),
        partition("regex", Pattern=r"(\w)/?(\d*)"),
        partition("substring", StartIndex=1, EndIndex=3),
        partition("date", DateFormat="06-01"),
    ]
)
KEYS = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=20) | st.from_regex(r"\d\d-\d\d/[a-c]", fullmatch=True), unique=True
)


@settings(deadline=None)
@given(PARTITIONS, KEYS, st.integers(1, 40), st.randoms())
def test_parts_are_disjoint_complete_and_the_same_when_listed_again(
    by: Partition, keys: list[str], count: int, order: Any
) -> None:
    found = {key: by.index_of(key, key, count) for key in keys}
    assert all(0 <= index < count for index in found.values())
    again = keys * 2
    order.shuffle(again)
    fresh = Partition.model_validate(by.to_wire())
    assert {key: fresh.index_of(key, key, count) for key in again} == found


def test_keys_that_are_no_unicode_have_an_index_too() -> None:
    key = b"a/\xff\xfe".decode("utf-8", "surrogateescape")
    assert partition("object").index_of(key, key, 1000) == fnv1a_32(b"a/\xff\xfe") % 1000
    assert partition("regex", Pattern="a").index_of(key, key, 1000) == fnv1a_32(b"a") % 1000


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 42), max_size=200), st.integers(1, 20))
@example([5, 5, 5, 5], 2)
def test_balanced_parts_differ_by_the_largest_object_at_most(sizes: list[int], count: int) -> None:
    parts = balanced(iter(sizes), count)
    assert len(parts) == len(sizes)
    assert all(part < count for part in parts)
    weights = [sum(size for size, part in zip(sizes, parts, strict=True) if part == number) for number in range(count)]
    assert max(weights) <= min(weights) + max(sizes, default=0)
    assert balanced(sizes, count) == parts


def test_balanced_takes_the_largest_first_and_equals_by_position_and_number() -> None:
    assert list(balanced([1, 9, 5, 5, 9, 1], 3)) == [0, 0, 2, 2, 1, 1]
    assert list(balanced([7, 7, 7, 7], 2)) == [0, 1, 0, 1]


def test_an_unknown_size_weighs_nothing() -> None:
    assert list(balanced([-1, 3, 2], 2)) == [1, 0, 1]


def test_balanced_keeps_its_order_beyond_what_is_sorted_at_once() -> None:
    number = (1 << 16) + 10
    assert list(balanced([3] * number, 3)) == [position % 3 for position in range(number)]
    assert list(balanced([1] * (1 << 16) + [1 << 17], 2)) == [1] * (1 << 16) + [0]
