"""A job of very many executions does not keep a server from everything else."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from driving import spec
from several import Machines, serving

from gadus.config import Settings
from gadus.core.job import State

MANY = 20_000
AT_ONCE = 1000


async def test_others_have_their_turn_while_it_is_accepted_and_while_it_is_stopped(settings: Settings) -> None:
    seen = [0]

    async with serving(settings, Machines(settings, "one")) as server:

        async def look_at_each_turn() -> None:
            while True:
                await asyncio.sleep(0)
                seen.append(server.waiting)

        looking = asyncio.create_task(look_at_each_turn())
        try:
            job = await server.submit(spec("forever", count=MANY, Resources={"CPU": "64"}, Timeouts={"QueueTimeout": 600}))
            assert server.waiting == MANY == len(job.vacancies)
            stopped = await server.stop(job, "enough")
        finally:
            looking.cancel()
    assert (stopped.state, server.waiting, max(seen)) == (State.STOPPED, 0, MANY)
    assert max(abs(later - earlier) for earlier, later in pairwise(seen)) <= AT_ONCE
