"""Small units are taken many at a time: launched together, within the pace, and each brought to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from gadus.s3.lanes import BUFFER_BYTES, VOLLEY, Lanes

PATIENCE_SECONDS = 20


class Work:
    """A unit that does what a test says; one of a volley when it has something to do at the launch."""

    def __init__(self, do: Callable[[], object], *, launch: Callable[[], object] | None = None) -> None:
        self.small = launch is not None
        self._do = do
        self._launch = launch

    def launch(self) -> None:
        assert self._launch is not None
        self._launch()

    def run(self, buffer: memoryview) -> None:
        assert len(buffer) == BUFFER_BYTES
        self._do()


def test_small_units_are_all_launched_before_the_first_is_run() -> None:
    lanes = Lanes()
    order: list[str] = []
    ended = threading.Semaphore(0)

    def run() -> None:
        order.append("run")
        ended.release()

    lanes.put(lanes.open(), [Work(run, launch=lambda: order.append("launch")) for _ in range(VOLLEY)])
    for _ in range(VOLLEY):
        assert ended.acquire(timeout=PATIENCE_SECONDS)
    assert order == ["launch"] * VOLLEY + ["run"] * VOLLEY


def test_one_small_unit_alone_is_only_run() -> None:
    lanes = Lanes()
    order: list[str] = []
    ended = threading.Event()
    lanes.put(lanes.open(), [Work(ended.set, launch=lambda: order.append("launch"))])
    assert ended.wait(PATIENCE_SECONDS)
    assert order == []


def test_a_volley_is_not_larger_than_the_pace_allows() -> None:
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


def test_no_more_threads_than_volleys_take_many_small_units() -> None:
    lanes = Lanes(idle_seconds=1000)
    lanes.pace.limit = 4 * VOLLEY
    ended = threading.Semaphore(0)
    work = [Work(ended.release, launch=lambda: None) for _ in range(4 * VOLLEY)]
    lanes.put(lanes.open(), work)
    for _ in work:
        assert ended.acquire(timeout=PATIENCE_SECONDS)
    assert lanes._lanes <= 4


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
    lanes.put(lanes.open(), [broken, *(Work(ended.release, launch=lambda: None) for _ in range(VOLLEY - 1))])
    for _ in range(VOLLEY):
        assert ended.acquire(timeout=PATIENCE_SECONDS)
    lane[0].join(PATIENCE_SECONDS)
