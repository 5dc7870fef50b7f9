"""How many requests are in flight: bounded always, more while that brings more, half when a service says so."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gadus.s3.pace import FEWEST, FIRST, MOST, Pace

MIB = 1 << 20
LOOK_SECONDS = 0.6
"""More than a pace lets pass before it looks."""


class Clock:
    """Time as a test lets it pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float = LOOK_SECONDS) -> None:
        self.now += seconds


class Service:
    """Moves `bytes_per_second` for each request in flight, up to `most_useful` of them; more bring nothing."""

    def __init__(self, pace: Pace, clock: Clock, *, most_useful: int, bytes_per_second: float = 20 * MIB) -> None:
        self.pace = pace
        self.clock = clock
        self.most_useful = most_useful
        self.bytes_per_second = bytes_per_second

    def work(self, seconds: float) -> list[int]:
        """The limit after each look."""
        limits = []
        # The time is counted from the first answer.
        self.pace.arrived(0)
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.tick()
            self.pace.arrived(int(self.bytes_per_second * LOOK_SECONDS * min(self.pace.limit, self.most_useful)))
            limits.append(self.pace.limit)
        return limits


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["done", "throttled", "idle"]),
        st.floats(0, 20, allow_nan=False),
        st.integers(0, 1 << 34),
    ),
    max_size=200,
)


@given(STEPS)
def test_the_limit_stays_within_its_bounds_whatever_happens(steps: list[tuple[str, float, int]]) -> None:
    clock = Clock()
    pace = Pace(clock)
    for what, seconds, size_bytes in steps:
        clock.tick(seconds)
        before = pace.limit
        if what == "done":
            assert pace.arrived(size_bytes) is (pace.limit > before)
        elif what == "throttled":
            pace.throttled()
            assert pace.limit in (before, max(FEWEST, before // 2))
        else:
            pace.idle()
            assert pace.limit == before
        assert FEWEST <= pace.limit <= MOST


def test_it_grows_while_more_requests_bring_more() -> None:
    clock = Clock()
    pace = Pace(clock)
    limits = Service(pace, clock, most_useful=1000).work(seconds=5)
    assert limits == sorted(limits)
    assert limits[-1] == MOST


def test_it_falls_back_when_a_step_brought_nothing_and_then_tries_seldom() -> None:
    clock = Clock()
    pace = Pace(clock)
    limits = Service(pace, clock, most_useful=FIRST).work(seconds=60)
    assert limits[:2] == [2 * FIRST, FIRST]
    tries = [limit for limit in limits if limit > FIRST]
    assert len(tries) <= 60 / 5
    assert len(tries) >= 60 / 5 / 2, "the service may have become quicker meanwhile"


def test_it_settles_near_what_the_service_can_use() -> None:
    clock = Clock()
    pace = Pace(clock)
    limits = Service(pace, clock, most_useful=2 * FIRST).work(seconds=30)
    assert sorted(limits)[len(limits) // 2] == 2 * FIRST


def test_small_objects_count_by_their_number() -> None:
    """Twice as many requests a second are twice the work, also where the objects happen to be smaller."""
    clock = Clock()
    pace = Pace(clock)
    pace.arrived(0)
    for size_bytes in (50_000, 1):
        for _ in range(10 * pace.limit):
            pace.arrived(size_bytes)
        clock.tick()
        pace.arrived(0)
    assert pace.limit == 4 * FIRST


def test_a_service_that_is_slow_to_begin_is_not_taken_for_one_that_more_requests_make_quicker() -> None:
    """1. Nothing comes for a while. 2. Then all that the service can give. 3. The next step brings no more: it is undone."""
    clock = Clock()
    pace = Pace(clock)
    clock.tick(10)
    limits = Service(pace, clock, most_useful=FIRST).work(seconds=3)
    assert limits[:2] == [2 * FIRST, FIRST]
    assert set(limits[2:]) == {FIRST}


def test_throttling_halves_once_for_all_answers_of_one_moment() -> None:
    pace = Pace(Clock())
    for _ in range(50):
        pace.throttled()
    assert pace.limit == FIRST // 2


def test_throttling_that_goes_on_halves_again_down_to_one() -> None:
    clock = Clock()
    pace = Pace(clock)
    limits = []
    for _ in range(8):
        pace.throttled()
        limits.append(pace.limit)
        clock.tick()
    assert limits == [FIRST // 2, FIRST // 4, FIRST // 8, *[1] * 5]


def test_after_throttling_it_rests_and_then_rises_gently() -> None:
    clock = Clock()
    pace = Pace(clock)
    service = Service(pace, clock, most_useful=1000)
    service.work(seconds=5)
    pace.throttled()
    half = pace.limit
    assert half == MOST // 2
    rested = service.work(seconds=1.5)
    assert rested == [half] * len(rested)
    limits = [half, *service.work(seconds=2)]
    assert limits[-1] > half
    assert all(later <= earlier * 9 // 8 for earlier, later in pairwise(limits))


def test_a_pause_between_transfers_is_not_taken_for_a_slow_service() -> None:
    clock = Clock()
    pace = Pace(clock)
    service = Service(pace, clock, most_useful=1000)
    service.work(seconds=1)
    before = pace.limit
    pace.idle()
    clock.tick(3600)
    pace.idle()
    assert min(service.work(seconds=3)) >= before
