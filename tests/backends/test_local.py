"""How many executions run at once on this machine."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.backends.local import Room
from gadus.core.spec import Resources

CORES = 4.0
MEMORY_MB = 1000
NEEDS = st.builds(
    lambda tenths, megabytes: Resources(cpu=f"{tenths * 100}m" if tenths else "", memory=f"{megabytes}MB" if megabytes else ""),
    st.integers(0, 40),
    st.integers(0, MEMORY_MB),
)


@given(st.lists(NEEDS, max_size=20), st.randoms(use_true_random=False))
def test_never_more_is_taken_than_there_is_and_everybody_has_a_turn(asked: list[Resources], random: object) -> None:
    async def scenario() -> None:
        room = Room(CORES, MEMORY_MB * 1000**2)
        running: list[Resources] = []
        began: list[int] = []
        releases = [asyncio.Event() for _ in asked]

        async def one(number: int, needs: Resources) -> None:
            async with room.taken(needs):
                running.append(needs)
                began.append(number)
                assert sum(each.cpu_cores or 1 for each in running) <= CORES + 1e-3
                assert sum(each.memory_bytes for each in running) <= MEMORY_MB * 1000**2
                await releases[number].wait()
                running.remove(needs)

        tasks = [asyncio.create_task(one(number, needs)) for number, needs in enumerate(asked)]
        while not all(task.done() for task in tasks):
            for _ in range(3):
                await asyncio.sleep(0)
            ready = [number for number in began if not tasks[number].done()]
            releases[random.choice(ready)].set()  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        assert began == sorted(began)

    asyncio.run(scenario())


async def test_who_gives_up_waiting_is_in_nobodys_way() -> None:
    room = Room(1.0, 0)

    async def hold(until: asyncio.Event) -> None:
        async with room.taken(Resources()):
            await until.wait()

    first_done, last_done = asyncio.Event(), asyncio.Event()
    first, second, third = (asyncio.create_task(hold(event)) for event in (first_done, asyncio.Event(), last_done))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    first_done.set()
    last_done.set()
    async with asyncio.timeout(5):
        await first
        await third
