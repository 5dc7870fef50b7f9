"""The threads that move bytes: who gets a turn, who ends, and that no unit of work is ever left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from gadus.s3.lanes import BUFFER_BYTES, Lanes

PATIENCE_SECONDS = 20


class Work:
    """A unit that does what a test says."""

    small = False

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do

    def launch(self) -> None:
        raise AssertionError("it is not small")

    def run(self, buffer: memoryview) -> None:
        assert len(buffer) == BUFFER_BYTES
        self._do()


class Held:
    """A unit that keeps its lane from `begun` until it is let go; `thread` is the lane's."""

    small = False

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self._begun = threading.Event()
        self._go = threading.Event()

    def launch(self) -> None:
        raise AssertionError("it is not small")

    def run(self, _: memoryview) -> None:
        self.thread = threading.current_thread()
        self._begun.set()
        assert self._go.wait(PATIENCE_SECONDS)

    def until_begun(self) -> None:
        assert self._begun.wait(PATIENCE_SECONDS)

    def let_go(self) -> None:
        self._go.set()


def held(lanes: Lanes, count: int) -> list[Held]:
    """So many units that occupy a lane each, in a queue of their own."""
    units = [Held() for _ in range(count)]
    lanes.put(lanes.open(), units)
    for unit in units:
        unit.until_begun()
    return units


def test_never_more_at_once_than_the_pace_allows_and_not_fewer() -> None:
    lanes = Lanes()
    lanes.pace.limit = 3
    lock = threading.Lock()
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)
    left = threading.Semaphore(0)
    running, most = 0, 0

    def count() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        # Passes only when three are here at once.
        together.wait()
        with lock:
            running -= 1
        left.release()

    lanes.put(lanes.open(), [Work(count) for _ in range(30)])
    for _ in range(30):
        assert left.acquire(timeout=PATIENCE_SECONDS)
    assert most == 3


def test_a_lowered_limit_holds_for_the_threads_that_are_there() -> None:
    lanes = Lanes()
    units = held(lanes, 6)
    lanes.pace.limit = 2
    running, most = [], []
    ended = threading.Semaphore(0)

    def count() -> None:
        running.append(1)
        most.append(len(running))
        # Long enough that others would begin, if they might.
        threading.Event().wait(0.005)
        running.pop()
        ended.release()

    lanes.put(lanes.open(), [Work(count) for _ in range(20)])
    for unit in units:
        unit.let_go()
    for _ in range(20):
        assert ended.acquire(timeout=PATIENCE_SECONDS)
    assert max(most) <= 2


def test_transfers_take_turns_however_much_one_of_them_has_to_do() -> None:
    lanes = Lanes()
    lanes.pace.limit = 1
    order: list[str] = []
    ended = threading.Event()
    (first,) = held(lanes, 1)
    large, small = lanes.open(), lanes.open()
    lanes.put(large, [Work(lambda: order.append("large")) for _ in range(50)])
    lanes.put(large, [Work(ended.set)])
    lanes.put(small, [Work(lambda: order.append("small")) for _ in range(3)])
    first.let_go()
    assert ended.wait(PATIENCE_SECONDS)
    assert [at for at, name in enumerate(order) if name == "small"][-1] <= 6


def test_units_of_one_transfer_begin_in_order() -> None:
    lanes = Lanes()
    lanes.pace.limit = 1
    order: list[int] = []
    ended = threading.Event()
    lanes.put(lanes.open(), [*(Work(lambda number=number: order.append(number)) for number in range(100)), Work(ended.set)])
    assert ended.wait(PATIENCE_SECONDS)
    assert order == list(range(100))


def test_a_raised_limit_lets_what_waits_begin() -> None:
    lanes = Lanes()
    lanes.pace.limit = 1
    (first,) = held(lanes, 1)
    second = threading.Event()
    lanes.put(lanes.open(), [Work(second.set)])
    assert not second.is_set()
    lanes.pace.limit = 2
    lanes.widen()
    assert second.wait(PATIENCE_SECONDS)
    first.let_go()


def test_closing_a_queue_drops_what_waits_and_nothing_else() -> None:
    lanes = Lanes()
    lanes.pace.limit = 1
    (first,) = held(lanes, 1)
    dropped, kept = threading.Event(), threading.Event()
    closing, other = lanes.open(), lanes.open()
    lanes.put(closing, [Work(dropped.set)])
    lanes.put(other, [Work(kept.set)])
    lanes.close(closing)
    first.let_go()
    assert kept.wait(PATIENCE_SECONDS)
    assert not dropped.is_set()


def test_threads_without_work_end() -> None:
    lanes = Lanes(idle_seconds=0.01)
    units = held(lanes, 4)
    for unit in units:
        unit.let_go()
    for unit in units:
        unit.thread.join(PATIENCE_SECONDS)
        assert not unit.thread.is_alive()


def test_the_one_thread_that_is_left_after_a_lower_limit_still_works() -> None:
    """
    1. Eight lanes work; the limit falls to one.
    2. Seven of them find nothing to do and end; the eighth, whichever it is, is still at work.
    3. It is let go, and one more unit comes: it is run, though the lane began as one too many.
    """
    lanes = Lanes(idle_seconds=0.2)
    units = held(lanes, 8)
    lanes.pace.limit = 1
    *others, last = units
    for unit in others:
        unit.let_go()
    for unit in others:
        unit.thread.join(PATIENCE_SECONDS)
    last.let_go()
    done = threading.Event()
    lanes.put(lanes.open(), [Work(done.set)])
    assert done.wait(PATIENCE_SECONDS)


def test_no_unit_is_lost_to_a_thread_that_is_just_ending() -> None:
    """
    1. A lane has had no work, and its patience ends while the lock is held by somebody who is putting a unit.
    2. The unit is there, and no lane is started for it, since one seems to wait.
    3. The lane gets the lock: it must look once more before it ends.
    """
    lanes = Lanes(idle_seconds=0.2)
    (first,) = held(lanes, 1)
    first.let_go()
    while not lanes._idle:
        assert first.thread.is_alive()
    done = threading.Event()

    def unit_that_comes_late() -> Iterator[Work]:
        threading.Event().wait(0.5)
        yield Work(done.set)

    lanes.put(lanes.open(), unit_that_comes_late())
    assert done.wait(PATIENCE_SECONDS)


def test_a_thread_that_rests_is_woken() -> None:
    lanes = Lanes(idle_seconds=1000)
    queue = lanes.open()
    for _ in range(200):
        done = threading.Event()
        lanes.put(queue, [Work(done.set)])
        assert done.wait(PATIENCE_SECONDS)


def test_thousands_of_tiny_units_from_several_threads_each_run_once() -> None:
    lanes = Lanes(idle_seconds=0.001)
    done: list[int] = []
    all_done = threading.Semaphore(0)

    def note(number: int) -> None:
        done.append(number)
        all_done.release()

    def produce(first: int) -> None:
        queue = lanes.open()
        for begin in range(first, first + 2000, 10):
            lanes.put(queue, [Work(lambda number=number: note(number)) for number in range(begin, begin + 10)])

    producers = [threading.Thread(target=produce, args=(2000 * number,)) for number in range(4)]
    for producer in producers:
        producer.start()
    for _ in range(8000):
        assert all_done.acquire(timeout=PATIENCE_SECONDS)
    assert sorted(done) == list(range(8000))
