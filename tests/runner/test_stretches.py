"""Stretches of a file: whatever is added in whatever order, they say what is there."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gadus.runner.cache.stretches import Stretches

SIZE = 40
ANY = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=30)


@given(ANY)
def test_what_is_missing_is_what_was_not_added(added: list[tuple[int, int]]) -> None:
    stretches = Stretches()
    there: set[int] = set()
    for offset, end in added:
        new = set(range(offset, end)) - there
        assert stretches.add(offset, end) == len(new)
        there |= new
    assert stretches.size_bytes == len(there)
    missing = stretches.missing(SIZE)
    assert [byte for offset, end in missing for byte in range(offset, end)] == sorted(set(range(SIZE)) - there)
    assert all(one[1] < other[0] for one, other in pairwise(missing))


def test_stretches_that_touch_become_one() -> None:
    stretches = Stretches()
    for offset in (0, 20, 10, 30):
        stretches.add(offset, offset + 10)
    assert stretches.missing(50) == [(40, 50)]
    assert stretches.missing(40) == []
