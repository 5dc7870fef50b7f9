"""Halves of what is left of a listing: always between two keys, and near the middle for the usual names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.s3.keyspace import Keyspace

keys = st.one_of(st.text("0129afz/-日😀", min_size=1, max_size=8).map(str.encode), st.binary(min_size=1, max_size=6))


@given(st.lists(keys, max_size=8), keys, st.none() | keys)
def test_a_middle_lies_between_and_is_text(seen: list[bytes], low: bytes, high: bytes | None) -> None:
    space = Keyspace(b"")
    space.learn(seen)
    middle = space.between(low, high) if high is None or low < high else None
    if middle is not None:
        said = middle.encode()  # strict: a service refuses what is not UTF-8
        assert low < said
        assert high is None or said < high


def test_there_is_no_middle_among_bytes_that_were_not_seen() -> None:
    space = Keyspace(b"")
    space.learn([b"a0", b"a9"])
    assert space.between(b"a%", b"a&") is None


@given(st.lists(st.text("0123456789", min_size=4, max_size=4).map(str.encode), min_size=2, unique=True))
def test_numbers_are_in_the_order_of_keys(seen: list[bytes]) -> None:
    space = Keyspace(b"")
    space.learn(seen)
    numbers = [space.number(key) for key in sorted(seen)]
    assert numbers == sorted(set(numbers))
    assert space.number(None) > numbers[-1]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("data/part-{:05}.parquet".format, 30_000, 60_000),
        ("{:08x}".format, 2**31, 2**32 - 1),
    ],
)
def test_the_middle_of_numbered_keys_is_about_the_middle(name: Callable[[int], str], low: int, high: int) -> None:
    space = Keyspace(b"")
    space.learn(name(at).encode() for at in range(0, high, high // 997))
    middle = space.between(name(low).encode(), name(high).encode())
    assert middle is not None
    assert name(low + (high - low) // 4) < middle < name(high - (high - low) // 4)
