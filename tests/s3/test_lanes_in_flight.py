"""Small units are in flight many at a time: launched within the pace, run as they are answered, and each brought to its end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from gadus.s3.flight import FLIGHT
from gadus.s3.lanes import BUFFER_BYTES, Lanes

PATIENCE_SECONDS = 20


class Work:
    """A unit that does what a test says, and is answered at once; small when it has something to do at the launch."""

    overdue = False

    def __init__(self, do: Callable[[], object], *, launch: Callable[[], object] | None = None) -> None:
        self.small = launch is not None
        self._do = do
        self._launch = launch

    def launch(self) -> int:
        assert self._launch is not None
        self._launch()
        return -1

    def run(self, buffer: memoryview) -> None:
        assert len(buffer) == BUFFER_BYTES
        self._do()


class Asked:
    """A small unit that is answered when a test says so."""

    small = True

    def __init__(self) -> None:
        self.launched = threading.Event()
        self.ran = threading.Event()
        self.overdue = False
        self._answer, self._answering = os.pipe()

    def launch(self) -> int:
        self.launched.set()
        return self._answer

    def run(self, _: memoryview) -> None:
        self.ran.set()

    def answer(self) -> None:
        os.write(self._answering, b"x")

    def close(self) -> None:
        os.close(self._answer)
        os.close(self._answering)


@contextmanager
def asked(lanes: Lanes, number: int, *, launched: int) -> Iterator[Sequence[Asked]]:
    """So many units in a queue of their own, the first of them `launched`; all are run in the end."""
    units = [Asked() for _ in range(number)]
    lanes.put(lanes.open(), units)
    for unit in units[:launched]:
        assert unit.launched.wait(PATIENCE_SECONDS)
    yield units
    for unit in units:
        with closing(unit):
            unit.answer()
            assert unit.ran.wait(PATIENCE_SECONDS)


def test_as_many_as_the_pace_allows_are_launched_before_any_is_answered() -> None:
    lanes = Lanes()
    lanes.pace.limit = 10
    with asked(lanes, 11, launched=10) as units:
        assert not any(unit.ran.is_set() for unit in units)
        assert not units[10].launched.is_set()


def test_the_next_is_launched_as_soon_as_one_is_answered() -> None:
    lanes = Lanes()
    lanes.pace.limit = 4
    with asked(lanes, 6, launched=4) as units:
        units[1].answer()
        assert units[4].launched.wait(PATIENCE_SECONDS)
        assert [unit.ran.is_set() for unit in units] == [False, True, False, False, False, False]
        assert not units[5].launched.is_set()


def test_answers_are_read_as_they_come_and_nobody_waits_for_a_slow_one() -> None:
    lanes = Lanes()
    lanes.pace.limit = 2
    with asked(lanes, 200, launched=2) as units:
        for unit in units[1:]:
            assert unit.launched.wait(PATIENCE_SECONDS)
            unit.answer()
            assert unit.ran.wait(PATIENCE_SECONDS)
        assert not units[0].ran.is_set()


def test_what_is_never_answered_is_run_when_it_is_overdue() -> None:
    lanes = Lanes()
    with asked(lanes, 3, launched=3) as units:
        units[1].overdue = True
        assert units[1].ran.wait(PATIENCE_SECONDS)
        assert not units[0].ran.is_set()
        assert not units[2].ran.is_set()


def test_what_is_overdue_is_run_though_others_are_answered_all_the_time() -> None:
    lanes = Lanes()
    lanes.pace.limit = 2
    silent = Asked()
    silent.overdue = True
    queue = lanes.open()
    with closing(silent):
        answered = Work(lambda: None, launch=lambda: None)

        def again() -> Iterator[Work]:
            while not silent.ran.is_set():
                yield answered

        lanes.put(queue, [silent, answered])
        for unit in again():
            lanes.put(queue, [unit])
        assert silent.launched.is_set()


def test_a_small_unit_that_comes_later_joins_those_in_flight() -> None:
    lanes = Lanes()
    with asked(lanes, 2, launched=2):
        with asked(lanes, 1, launched=1):
            assert lanes._lanes == 1
        assert lanes._lanes == 1


def test_large_units_do_not_wait_for_small_ones_in_flight() -> None:
    lanes = Lanes()
    done = threading.Event()
    with asked(lanes, 3, launched=3):
        lanes.put(lanes.open(), [Work(done.set)])
        assert done.wait(PATIENCE_SECONDS)


def test_one_small_unit_alone_is_only_run() -> None:
    lanes = Lanes()
    order: list[str] = []
    ended = threading.Event()
    lanes.put(lanes.open(), [Work(ended.set, launch=lambda: order.append("launch"))])
    assert ended.wait(PATIENCE_SECONDS)
    assert order == []


def test_never_more_are_in_flight_than_the_pace_allows() -> None:
    lanes = Lanes()
    lanes.pace.limit = 5
    lock = threading.Lock()
    ended = threading.Semaphore(0)
    in_flight, most = 0, 0

    def launch() -> None:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)

    def run() -> None:
        nonlocal in_flight
        with lock:
            in_flight -= 1
        ended.release()

    lanes.put(lanes.open(), [Work(run, launch=launch) for _ in range(100)])
    for _ in range(100):
        assert ended.acquire(timeout=PATIENCE_SECONDS)
    assert most == 5


def test_large_units_behind_a_small_one_do_not_wait_for_each_other() -> None:
    lanes = Lanes()
    lanes.pace.limit = 8
    together = threading.Barrier(8, timeout=PATIENCE_SECONDS)
    ended = threading.Semaphore(0)

    def meet() -> None:
        together.wait()
        ended.release()

    lanes.put(lanes.open(), [Work(meet, launch=ended.release), *(Work(meet) for _ in range(7))])
    for _ in range(8):
        assert ended.acquire(timeout=PATIENCE_SECONDS)


def test_one_thread_has_many_in_flight_and_no_more_threads_than_needed_begin() -> None:
    lanes = Lanes(idle_seconds=1000)
    lanes.pace.limit = 2 * FLIGHT
    with asked(lanes, 2 * FLIGHT, launched=2 * FLIGHT):
        assert lanes._lanes == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_unit_that_breaks_its_promise_keeps_no_other_from_its_end() -> None:
    lanes = Lanes()
    ended = threading.Semaphore(0)
    lane: list[threading.Thread] = []

    def fail() -> None:
        lane.append(threading.current_thread())
        ended.release()
        raise AssertionError("it never raises")

    broken = Work(fail, launch=lambda: 1 // 0)
    lanes.put(lanes.open(), [broken, *(Work(ended.release, launch=lambda: None) for _ in range(15))])
    for _ in range(16):
        assert ended.acquire(timeout=PATIENCE_SECONDS)
    lane[0].join(PATIENCE_SECONDS)
