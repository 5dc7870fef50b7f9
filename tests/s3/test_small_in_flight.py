"""Many small objects in flight: one that goes wrong hurts nobody else, none is asked for twice, a transfer can always end."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import threading
from collections import deque
from contextlib import ExitStack
from pathlib import Path

import pytest
from held_service import HOLD, RESET, Fetching, held_service
from raw_server import answer

from gadus.core import checksums
from gadus.core.errors import InputChanged, InputUnreadable, StorageUnavailable
from gadus.core.manifest import Item
from gadus.s3.pace import FIRST
from gadus.s3.patience import Patience
from gadus.testing.slots import FileSlot

PATIENCE_SECONDS = 20
AT_ONCE_SECONDS = 6
"""On a busy machine; a connection may be made for ten, and an answer waited for thirty."""
BAD = "07"
STALL_SECONDS = 0.5
STALLING = Patience(stall_seconds=STALL_SECONDS, first_pause_seconds=0.001, longest_pause_seconds=0.01)
SLOW_DOWN = answer(b"<Error><Code>SlowDown</Code></Error>", status="503 Slow Down")
CUT = answer(b"x" * 300, headers='ETag: "1"\r\n')[:200]


def some(number: int = FIRST, size_bytes: int = 300) -> dict[str, bytes]:
    return {f"{at:02}": os.urandom(size_bytes) for at in range(number)}


def open_connections(port: int) -> list[str]:
    """This process's own connections to `port`, as the kernel knows them; closed ones may still be winding up."""
    winding_up = {"04", "05", "06", "07", "08", "09", "0B"}
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return [fields[1] for fields in lines if fields[2].endswith(f":{port:04X}") and fields[3] not in winding_up]


async def test_one_thread_asks_for_all_before_it_reads_an_answer(tmp_path: Path) -> None:
    objects = some()
    async with held_service(objects, together=FIRST) as service:
        fetching = Fetching(service.port, tmp_path)
        await fetching.fetch(objects)
    assert fetching.arrived == objects


@pytest.mark.parametrize(
    "bad",
    [SLOW_DOWN, answer(status="500 Error"), RESET, CUT, answer(b"<Error/>", status="404 Not Found")],
    ids=["throttled", "server error", "reset", "cut", "not there for a moment"],
)
async def test_a_bad_answer_hurts_only_its_own_object(tmp_path: Path, bad: bytes) -> None:
    objects = {**some(), BAD: b"x" * 300}
    async with held_service(objects, together=FIRST) as service:
        service.instead[BAD] = deque([bad])
        fetching = Fetching(service.port, tmp_path)
        await fetching.fetch(objects)
    assert fetching.arrived == objects
    for key in objects:
        assert service.gets(key) == 1 or (key == BAD and service.gets(key) > 1)


OTHER_SUM = base64.b64encode(checksums.update(checksums.CRC64NVME, b"other").to_bytes(8, "big")).decode()
ERRORS = {
    "missing": (InputChanged, answer(b"<Error><Code>NoSuchKey</Code></Error>", status="404 Not Found")),
    "of another length": (InputChanged, answer(b"x" * 20)),
    "damaged": (StorageUnavailable, answer(b"x" * 300, headers=f"x-amz-checksum-crc64nvme: {OTHER_SUM}\r\n")),
}


@pytest.mark.parametrize("kind", ERRORS)
async def test_an_error_names_its_object_and_spoils_no_other(tmp_path: Path, kind: str) -> None:
    objects = some()
    error, bad = ERRORS[kind]
    async with held_service(objects, together=FIRST) as service:
        service.instead[BAD] = deque([bad] * 9)
        fetching = Fetching(service.port, tmp_path)
        with pytest.raises(error, match=BAD):
            await fetching.fetch(objects)
    before = [key for key in objects if key < BAD]
    assert set(before) <= set(fetching.arrived)
    assert all(body == objects[key] for key, body in fetching.arrived.items())
    assert [key for key, slot in fetching.slots.items() if slot.is_spoilt] == ([BAD] if kind == "damaged" else [])
    assert not fetching.slots[BAD].is_whole
    for slot in fetching.slots.values():
        slot.close()


async def test_a_stalled_answer_lets_the_others_arrive_and_is_asked_for_again(tmp_path: Path) -> None:
    objects = some()
    async with held_service(objects, together=FIRST) as service:
        service.instead[BAD] = deque([HOLD])
        fetching = Fetching(service.port, tmp_path, STALLING)
        await fetching.fetch(objects)
    assert fetching.arrived == objects
    assert {key: service.gets(key) for key in objects} == {key: 2 if key == BAD else 1 for key in objects}


async def test_many_without_any_answer_are_waited_for_once_and_not_each(tmp_path: Path) -> None:
    objects = some()
    async with held_service(objects, together=FIRST) as service:
        service.instead.update({key: deque([HOLD]) for key in objects})
        fetching = Fetching(service.port, tmp_path, STALLING)
        await fetching.fetch(objects)
    assert fetching.arrived == objects
    again = [at for _, at, _ in service.asked[FIRST:]]
    assert len(again) == FIRST
    assert max(again) - service.asked[0][1] < FIRST * STALL_SECONDS / 2


async def test_what_is_put_back_waits_as_long_as_the_service_wishes_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    """1. One of many is throttled for a second. 2. The others, and more, arrive. 3. It is asked for again, alone."""
    objects = some(3 * FIRST)
    wish = answer(status="503 Slow Down", headers="Retry-After: 1\r\n")
    async with held_service(objects, together=FIRST) as service:
        service.instead[BAD] = deque([wish])
        fetching = Fetching(service.port, tmp_path)
        await fetching.fetch(objects)
    assert fetching.arrived == objects
    first, again = (at for key, at, _ in service.asked if key == BAD)
    assert again - first >= 1
    assert service.asked[-1][0] == BAD
    assert service.asked[-1][2] == 1
    assert len(service.asked) == len(objects) + 1


async def test_cancelling_leaves_no_connection_open_when_it_returns(tmp_path: Path) -> None:
    objects = some()
    async with held_service(objects, together=FIRST) as service:
        service.instead.update({key: deque([HOLD]) for key in objects})
        fetching = Fetching(service.port, tmp_path)
        going = asyncio.create_task(fetching.fetch(objects))
        await service.until_met()
        assert len(open_connections(service.port)) == FIRST
        going.cancel()
        async with asyncio.timeout(AT_ONCE_SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await going
        assert open_connections(service.port) == []
        await service.until_left()
    assert fetching.arrived == {}
    for slot in fetching.slots.values():
        slot.close()


async def test_cancelling_ends_what_cannot_even_be_sent(tmp_path: Path) -> None:
    """
    1. The service's queue of connections is full: a connection is being made for as long as that is allowed, ten seconds.
    2. The transfer is cancelled before any of its requests could be sent.
    3. Nothing is left of it: the lane is free for others, and the connection is given up.
    """
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = full.getsockname()
        stack.enter_context(socket.create_connection(address))
        beyond = stack.enter_context(socket.socket())
        beyond.setblocking(False)
        beyond.connect_ex(address)
        there = len(open_connections(address[1]))
        fetching = Fetching(address[1], tmp_path)
        going = asyncio.create_task(fetching.fetch(some()))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(open_connections(address[1])) == there:  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0)
        going.cancel()
        async with asyncio.timeout(AT_ONCE_SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await going
        assert len(open_connections(address[1])) == there
    for slot in fetching.slots.values():
        slot.close()


async def test_an_object_that_is_claimed_while_its_transfer_ends_is_not_asked_for(tmp_path: Path) -> None:
    """1. A lane claims a slot. 2. Meanwhile the transfer is cancelled. 3. The claim is there, and nobody wants the object."""
    claiming, claims = threading.Event(), threading.Event()

    class Slow(FileSlot):
        def claim(self) -> bool:
            claiming.set()
            assert claims.wait(PATIENCE_SECONDS)
            return super().claim()

    others = set(threading.enumerate())
    # In parts, and pinned, so that a thread would follow the file.
    large = 20 << 20
    slot = Slow(Item("k", "k", large, '"1"', sha256="0" * 64), tmp_path / "k", tmp_path / "k.partial")
    async with held_service({"k": bytes(large)}) as service:
        fetching = Fetching(service.port, tmp_path)
        going = asyncio.create_task(fetching.fetch_into([slot]))
        assert await asyncio.to_thread(claiming.wait, PATIENCE_SECONDS)
        going.cancel()
        # Its end waits for the lane; the event loop goes round a few times before.
        for _ in range(5):
            await asyncio.sleep(0)
        assert not going.done()
        claims.set()
        async with asyncio.timeout(AT_ONCE_SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await going
        assert service.asked == []
    assert slot.is_claimed
    assert slot.written == []
    slot.close()
    for thread in set(threading.enumerate()) - others:
        if thread.name in ("lane", "hashing"):
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


async def test_every_object_takes_one_get_and_never_more_are_in_flight_than_the_pace_allows(tmp_path: Path) -> None:
    objects = some(500)
    async with held_service(objects, together=5) as service:
        fetching = Fetching(service.port, tmp_path)
        fetching.lanes.pace.limit = 5
        # The limit only grows here: what is above it now was above it when it was sent.
        above: list[int] = []
        service.seen = lambda in_flight: above.append(in_flight) if in_flight > fetching.lanes.pace.limit else None
        await fetching.fetch(objects)
    assert fetching.arrived == objects
    assert above == []
    assert sorted(key for key, _, _ in service.asked) == sorted(objects)
    assert max(in_flight for _, _, in_flight in service.asked) >= 5


async def test_small_and_large_objects_mixed_arrive_and_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """In parts, in one request each, and many by one thread; as many as may be at first are in flight before an answer."""
    sizes = [1, 700_000, 0, 9 << 20, 300_000, 2 << 20, *(1 << 20 for _ in range(10)), *(500 for _ in range(40)), 20 << 20]
    objects = {f"{at:02}": os.urandom(size) for at, size in enumerate(sizes)}
    async with held_service(objects, together=FIRST) as service:
        fetching = Fetching(service.port, tmp_path)
        await fetching.fetch(objects)
    assert fetching.arrived == objects
    for key, body in objects.items():
        parts = -(-len(body) // (8 << 20))
        assert service.gets(key) == parts or 1 <= service.gets(key) < parts, "no part is asked for twice"


@pytest.mark.parametrize(("others", "fewest", "most"), [(0, 3, 3), (40, 1, 2)], ids=["alone", "among many"])
async def test_a_large_object_is_fetched_in_more_parts_the_fewer_others_there_are(
    tmp_path: Path, others: int, fewest: int, most: int
) -> None:
    objects = {"large": os.urandom(20 << 20), **some(others)}
    async with held_service(objects) as service:
        fetching = Fetching(service.port, tmp_path)
        await fetching.fetch(objects)
    assert fetching.arrived == objects
    assert fewest <= service.gets("large") <= most


async def test_an_etag_that_no_request_can_name_is_refused_and_not_sent(tmp_path: Path) -> None:
    slots = [
        FileSlot(Item(f"k{at}", f"k{at}", 3, etag), tmp_path / f"k{at}", tmp_path / f"k{at}.partial")
        for at, etag in enumerate(['"→"', '"1"\r\nrange: bytes=0-0'] * FIRST)
    ]
    async with held_service({}) as service:
        with pytest.raises(InputUnreadable, match="is listed with the ETag"):
            await Fetching(service.port, tmp_path).fetch_into(slots)
        assert service.asked == []
    for slot in slots:
        slot.close()
