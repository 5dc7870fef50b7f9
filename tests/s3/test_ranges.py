"""Several ranges at once find what one listing page after page finds."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_service import (
    KINDS,
    LATENCY_SECONDS,
    Order,
    Service,
    as_bytes,
    backwards,
    by_directory,
    by_letter,
    counted,
    in_virtual_time,
)

from gadus.core.errors import StorageUnavailable
from gadus.s3 import ranges
from gadus.s3.listing import LARGEST_LISTING, Listed, Page


@pytest.mark.parametrize("kind", ["counters", "hashes"])
def test_a_slow_listing_of_100_pages_takes_a_fifth_of_the_time(kind: str) -> None:
    service = Service(KINDS[kind])
    found, seconds = in_virtual_time(service.listed())
    assert found == service.keys
    assert seconds <= 100 * LATENCY_SECONDS / 5
    assert service.most_at_once <= ranges.RANGES


@pytest.mark.parametrize("page_keys", [1000, 200])
@pytest.mark.parametrize("kind", KINDS)
def test_ranges_cost_few_lists_more_and_save_time(kind: str, page_keys: int) -> None:
    delays = random.Random(7)
    service = Service(KINDS[kind], page_keys=page_keys, seconds=lambda: delays.uniform(0.5, 1.5) * LATENCY_SECONDS)
    found, seconds = in_virtual_time(service.listed())
    pages = len(service.keys) // page_keys
    assert found == service.keys
    assert service.lists <= pages + 2 * ranges.RANGES + service.lists // 25
    assert seconds <= pages * LATENCY_SECONDS / 2
    assert service.most_at_once <= ranges.RANGES


def test_a_fast_service_is_asked_page_after_page() -> None:
    service = Service(counted(20_000), seconds=lambda: ranges.SLOW_SECONDS / 2)
    assert in_virtual_time(service.listed())[0] == service.keys
    assert (service.lists, service.most_at_once) == (20, 1)


def test_a_short_listing_costs_one_list_a_page() -> None:
    service = Service(counted(3000))
    assert in_virtual_time(service.listed())[0] == service.keys
    assert service.lists == 3
    empty = Service([])
    assert in_virtual_time(empty.listed()) == ([], LATENCY_SECONDS)


keys = st.one_of(
    st.sets(st.integers(0, 3000).map(lambda at: f"k{at:04}"), max_size=400),
    st.sets(st.text("01ab/-.~ü日😀", max_size=5), max_size=120),
    st.sets(st.binary(max_size=4).map(lambda key: key.decode("utf-8", "surrogateescape")), max_size=120),
)


@st.composite
def services(draw: st.DrawFn, orders: Sequence[Order]) -> Service:
    delays = random.Random(draw(st.integers(0, 1000)))
    prefix = draw(st.sampled_from(["", "p/", "日/1"]))
    return Service(
        [prefix + key for key in draw(keys) if prefix + key],
        page_keys=draw(st.integers(1, 6)),
        order=draw(st.sampled_from(orders)),
        seconds=lambda: delays.uniform(0.02, 0.3),
    )


@given(services([bytes]))
def test_any_keys_come_once_each_in_the_order_of_their_bytes(service: Service) -> None:
    assert in_virtual_time(service.listed())[0] == sorted(service.keys, key=as_bytes)


@given(services([by_directory, by_letter, backwards]))
def test_a_service_with_an_order_of_its_own_gives_each_key_once_in_that_order(service: Service) -> None:
    assert in_virtual_time(service.listed())[0] == service.keys


@pytest.mark.parametrize(
    "late",
    [["z/a", "z/b", "z!x", "z-y", "z.z", "z0"], [f"data/{sign}{at}" for sign in ("q/", "q!", "q-") for at in range(3000)]],
    ids=["at the end", "in the middle"],
)
def test_disorder_that_shows_late_loses_and_doubles_nothing(late: list[str]) -> None:
    service = Service([*counted(50_000), *late], order=by_directory)
    found, _ = in_virtual_time(service.listed())
    assert service.most_at_once > 1
    assert found == service.keys


def test_no_range_begins_once_disorder_was_seen() -> None:
    early = Service(["a/b", "a!x", *counted(50_000)], order=by_directory)
    late = Service([*counted(50_000), *(f"data/part-03{sign}x" for sign in "/!-")], order=by_directory)
    begun_too_late: list[str] = []
    disorder = asyncio.Event()

    async def ask(token: str, start_after: str) -> Page:
        if start_after and disorder.is_set():
            begun_too_late.append(start_after)
        page = await late.ask(token, start_after)
        found = [as_bytes(one.key) for one in page.objects]
        if found != sorted(found):
            disorder.set()
        return page

    async def listed() -> list[str]:
        return [one.key async for page in ranges.pages(ask, "s3://b/", "") for one in page]

    assert in_virtual_time(early.listed())[0] == early.keys
    assert early.most_at_once == 1
    assert in_virtual_time(listed())[0] == late.keys
    assert disorder.is_set()
    assert late.most_at_once > 1
    assert begun_too_late == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda first: 0,
        lambda first: first + 1,
        lambda first: max(0, first - 1),
        lambda first: 10**9,
        lambda first: first + 5000,
    ],
    ids=["ignored", "one too far", "one too near", "nothing", "far too far"],
)
def test_a_wrong_answer_to_start_after_is_noticed_and_nothing_of_it_used(wrong: Callable[[int], int]) -> None:
    service = Service(counted(50_000), wrong=wrong)
    assert in_virtual_time(service.listed())[0] == service.keys


def test_a_service_without_start_after_is_listed_page_after_page() -> None:
    def refuse(first: int) -> int:
        raise StorageUnavailable("not implemented")

    service = Service(counted(50_000), wrong=refuse)
    assert in_virtual_time(service.listed())[0] == service.keys


def test_an_error_of_the_listing_itself_is_raised() -> None:
    service = Service(counted(50_000))

    async def failing(token: str, start_after: str) -> Page:
        page = await service.ask(token, start_after)
        if any(one.key.endswith("030000.parquet") for one in page.objects):
            raise StorageUnavailable("throttled")
        return page

    async def listed() -> list[str]:
        found: list[str] = []
        with pytest.raises(StorageUnavailable, match="throttled"):
            async for page in ranges.pages(failing, "s3://b/", ""):
                found += [one.key for one in page]
        return found

    found, _ = in_virtual_time(listed())
    assert found == service.keys[: len(found)]


@pytest.mark.parametrize("from_key", [0, 4_500, 40_000])
@pytest.mark.parametrize("spoil", ["repeats itself", "was not asked for"])
def test_a_listing_that_does_not_end_well_is_noticed_in_every_range(spoil: str, from_key: int) -> None:
    service = Service(counted(60_000))

    async def odd(token: str, start_after: str) -> Page:
        page = await service.ask(token, start_after)
        if page.token and int(page.token) > from_key:
            stray = [Listed("zz", 1)] if spoil == "was not asked for" else []
            return Page([*page.objects, *stray], page.token if stray else str(from_key + 500))
        return page

    async def listed() -> None:
        async for _ in ranges.pages(odd, "s3://b/", "data/"):
            pass

    with pytest.raises(StorageUnavailable, match=spoil):
        in_virtual_time(listed())
    assert service.lists < 150


def test_a_stray_key_in_the_only_page_is_noticed() -> None:
    with pytest.raises(StorageUnavailable, match="was not asked for"):
        in_virtual_time(Service(["zz"]).listed("data/"))


def test_a_listing_without_end_is_refused() -> None:
    page = [Listed("a", 1)] * 100_000
    asked: list[str] = []

    async def endless(token: str, start_after: str) -> Page:
        asked.append(start_after)
        return Page(page, f"{len(asked)}")

    async def listed() -> int:
        return sum([len(found) async for found in ranges.pages(endless, "s3://b/", "")])

    with pytest.raises(StorageUnavailable, match="over 10,000,000 objects"):
        in_virtual_time(listed())
    assert len(asked) == LARGEST_LISTING // len(page) + 1


def test_closing_or_cancelling_leaves_no_request_behind() -> None:
    service = Service(counted(100_000))

    async def closed_early() -> None:
        found = ranges.pages(service.ask, "s3://b/", "")
        for _ in range(30):
            await anext(found)
        await asyncio.sleep(LATENCY_SECONDS / 10)
        assert service.at_once > 1
        before = asyncio.get_running_loop().time()
        await found.aclose()
        assert asyncio.get_running_loop().time() == before
        assert service.at_once == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10.5 * LATENCY_SECONDS):
                await service.listed()
        assert service.at_once == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(closed_early())
    in_virtual_time(cancelled())


def test_a_consumer_that_pauses_is_read_ahead_for_by_no_more_than_what_was_asked() -> None:
    service = Service(counted(100_000))

    async def paused() -> int:
        found = ranges.pages(service.ask, "s3://b/", "")
        for _ in range(30):
            await anext(found)
        before = service.lists
        await asyncio.sleep(1000)
        ahead = service.lists - before
        await found.aclose()
        return ahead

    assert in_virtual_time(paused())[0] <= ranges.RANGES


def test_what_waits_for_its_turn_is_bounded_whatever_the_listing() -> None:
    """2,000 pages of 100 objects, all dropped as they come; at most a tenth of them may wait."""
    service = Service(counted(200_000), page_keys=100)

    async def counted_only() -> int:
        return sum([len(page) async for page in ranges.pages(service.ask, "s3://b/", "")])

    one = tracemalloc_bytes(lambda: [Listed(f"{key}", 1) for key in service.keys[:20_000]])
    peak = tracemalloc_bytes(lambda: in_virtual_time(counted_only()))
    assert peak < 2 * one


def tracemalloc_bytes(work: Callable[[], object]) -> int:
    """The most memory that `work` used at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
