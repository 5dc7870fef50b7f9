"""An execution in a shim outlives whoever asked for it, is begun once, and its end is told whoever asks."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from shim_server import Seen, Server, execution, job

from gadus.core.errors import EngineLost
from gadus.core.job import Phase
from gadus.shims.identity import Identity, identity_of, opened, signal_to


async def test_execution_runs_in_a_process_of_its_own_and_tells_its_phases_and_its_end(server: Server) -> None:
    seen = Seen()
    outcome = await server.run("end:7", seen=seen)
    process = server.records("e-1").process()
    assert process is not None
    assert process.pid != os.getpid()
    assert (outcome.exit_code, outcome.error) == (7, None)
    assert seen.phases == [Phase.STAGING, Phase.RUNNING]


async def test_next_server_finds_what_runs_and_does_not_begin_it_again(servers: Callable[[], Server]) -> None:
    first, second = servers(), servers()
    following = await first.until_running("sleep")
    following.cancel()
    await asyncio.wait([following])
    first.nursery.close()
    again = await second.until_running("sleep")
    await second.backend.stop("e-1")
    assert (await again).error is not None
    assert second.ran() == ["e-1 began", "e-1 tidied"]


async def test_end_that_nobody_watched_is_told_to_who_asks_later(servers: Callable[[], Server]) -> None:
    first, second = servers(), servers()
    assert (await first.run("end:3")).exit_code == 3
    first.nursery.close()
    assert second.backend.found() == ["e-1"]
    assert (await second.run("end:3")).exit_code == 3
    await second.backend.forget("e-1")
    assert second.backend.found() == []
    assert second.ran() == ["e-1 began"]


async def test_execution_that_is_stopped_as_it_begins_ends_also_in_a_process_that_ran_another(server: Server) -> None:
    """The order is large, so that reading it takes a while: the signal comes before the execution itself has begun."""
    processes = set()
    for number in range(10):
        assert (await server.run("thread", f"e-{number}-before")).exit_code == 0
        task = asyncio.create_task(server.run("sleep/20000000", f"e-{number}"))
        records = server.records(f"e-{number}")
        async with asyncio.timeout(20):
            while (process := records.process()) is None:  # noqa: ASYNC110 - the other is a process
                await asyncio.sleep(0)
            assert signal_to(process, signal.SIGTERM)
            outcome = await task
        assert outcome.error is not None
        assert outcome.error.kind == "Stopped"
        processes.add(process)
    # Otherwise none of them ran in a process that had run another.
    assert len(processes) < 10


async def test_nursery_that_is_killed_takes_no_shim_with_it_and_is_replaced(server: Server) -> None:
    running = await server.until_running("sleep")
    nursery = server.nursery._process
    assert nursery is not None
    nursery.kill()
    nursery.wait()
    assert (await server.run("end:0", "e-2")).exit_code == 0
    await server.backend.stop("e-1")
    outcome = await running
    assert outcome.error is not None
    assert outcome.error.kind == "Stopped"


async def test_shim_that_is_killed_is_lost_only_after_what_it_left_was_cleaned_up(server: Server) -> None:
    running = await server.until_running("sleep")
    process = server.records("e-1").process()
    assert process is not None
    assert signal_to(process, signal.SIGKILL)
    outcome = await running
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.can_retry, server.cleaned) == ("NodeLost", True, ["cleaned"])


async def test_two_servers_that_ask_at_once_begin_it_once_and_both_hear_its_end(servers: Callable[[], Server]) -> None:
    outcomes = await asyncio.gather(*(one.run("end:5") for one in (servers(), servers(), servers())))
    assert [outcome.exit_code for outcome in outcomes] == [5, 5, 5]
    assert servers().ran() == ["e-1 began"]


async def test_stop_that_comes_before_the_shim_is_ready_is_not_lost(server: Server) -> None:
    running = asyncio.create_task(server.run("sleep"))
    while not server.records("e-1").path.exists():  # noqa: ASYNC110 - as soon as it is there
        await asyncio.sleep(0)
    await server.backend.stop("e-1")
    outcome = await running
    assert outcome.error is not None
    assert outcome.error.kind == "Stopped"


async def test_defect_in_a_shim_is_told_and_written_down(server: Server) -> None:
    outcome = await server.run("defect")
    assert outcome.error is not None
    assert outcome.error.message == "RuntimeError: broken on purpose"
    assert "broken on purpose" in server.records("e-1").path.read_text()


async def test_nobody_stays_behind_as_a_zombie(server: Server) -> None:
    for number in range(5):
        await server.run("end:0", f"e-{number}")
    nursery = server.nursery._process
    assert nursery is not None
    async with asyncio.timeout(10):
        # One waits for the next execution.
        children = Path(f"/proc/{nursery.pid}/task/{nursery.pid}/children")
        while len(children.read_text().split()) > 1:  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.01)


async def test_half_a_line_of_a_journal_is_read_when_it_is_whole(server: Server) -> None:
    records = server.records("e-1")
    records.order(job("sleep"), execution("e-1"))
    line = b'{"kind":"entered","at":1.0,"phase":"running"}\n'
    with records.path.open("ab", buffering=0) as journal:
        journal.write(line + line[:20])
        assert len(records.news()) == 1
        journal.write(line[20:])
        assert len(records.news()) == 1
        assert records.news() == []


def test_process_is_never_mistaken_for_another_that_got_its_number() -> None:
    me = identity_of(os.getpid())
    assert me is not None
    earlier = Identity(me.pid, me.start_ticks - 1, me.boot_id)
    before_the_reboot = Identity(me.pid, me.start_ticks, "another boot")
    assert opened(earlier) is None
    assert opened(before_the_reboot) is None
    assert not signal_to(earlier, signal.SIGKILL)
    descriptor = opened(me)
    assert descriptor is not None
    os.close(descriptor)


async def test_process_runs_one_execution_after_the_other(server: Server) -> None:
    processes = {await pid_of_one_that_ends(server, f"e-{number}") for number in range(5)}
    assert len(processes) == 1
    assert server.ran() == [f"e-{number} began" for number in range(5)]


async def test_each_execution_is_told_its_own_end_however_many_run_at_once(server: Server) -> None:
    for turn in range(3):
        codes = range(turn * 20, turn * 20 + 20)
        outcomes = await asyncio.gather(*(server.run(f"end:{code}", f"e-{code}") for code in codes))
        assert [outcome.exit_code for outcome in outcomes] == list(codes)


async def test_process_that_was_told_to_stop_runs_nothing_else(server: Server) -> None:
    """A signal that was sent may come only when the execution that it was for has ended."""
    running = await server.until_running("sleep")
    await server.backend.stop("e-1")
    await running
    stopped = server.records("e-1").process()
    assert stopped is not None
    assert opened(stopped) is None or await pid_of_one_that_ends(server, "e-2") != stopped.pid


async def test_signal_to_a_process_that_waits_ends_no_execution(server: Server) -> None:
    pid = await pid_of_one_that_ends(server, "e-1")
    os.kill(pid, signal.SIGTERM)
    running = await server.until_running("sleep", "e-2")
    done, _ = await asyncio.wait([running], timeout=0.5)
    assert not done
    assert server.records("e-2").process() == identity_of(pid)


@pytest.mark.parametrize("what", ["thread", "child", "task"])
async def test_process_in_which_something_is_left_runs_nothing_else(server: Server, what: str) -> None:
    assert (await server.run(f"leave:{what}", "e-1")).exit_code == 0
    left = server.records("e-1").process()
    assert left is not None
    assert await pid_of_one_that_ends(server, "e-2") != left.pid


async def test_process_that_is_killed_as_it_waits_is_replaced(server: Server) -> None:
    pid = await pid_of_one_that_ends(server, "e-1")
    killed = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    # Readable when it has ended.
    assert select.select([killed], [], [], 10)[0]
    os.close(killed)
    assert await pid_of_one_that_ends(server, "e-2") != pid


async def test_processes_that_wait_end_with_the_server_and_with_the_nursery(servers: Callable[[], Server]) -> None:
    asked, killed = servers(), servers()
    await asyncio.gather(*(asked.run("end:0", f"a-{number}") for number in range(4)))
    await asyncio.gather(*(killed.run("end:0", f"k-{number}") for number in range(4)))
    asked.nursery.close()
    assert killed.nursery._process is not None
    killed.nursery._process.kill()
    waited = [asked.records(f"{letter}-{number}").process() for letter in "ak" for number in range(4)]
    async with asyncio.timeout(10):
        while any(one is not None and opened(one) for one in waited):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.01)


async def test_nursery_that_is_killed_while_many_ask_is_replaced_for_all_of_them(server: Server) -> None:
    await server.run("end:0", "e-first")
    for turn in range(5):
        nursery = server.nursery._process
        assert nursery is not None
        # Nobody answers before all have asked.
        nursery.send_signal(signal.SIGSTOP)
        asking = [asyncio.create_task(server.run("end:0", f"e-{turn}-{number}")) for number in range(10)]
        await asyncio.sleep(0.05)
        nursery.kill()
        nursery.wait()
        assert [outcome.exit_code for outcome in await asyncio.gather(*asking)] == [0] * 10


async def test_nursery_that_is_killed_again_and_again_takes_no_try_from_the_job(server: Server) -> None:
    asking = asyncio.create_task(server.run("end:0"))
    while not asking.done():
        # Long before it has imported what it needs.
        await asyncio.sleep(0.01)
        if server.nursery._process is not None:
            server.nursery._process.kill()
    with pytest.raises(EngineLost) as caught:
        await asking
    assert caught.value.can_retry
    # Nobody who was asked can begin it any more.
    assert server.backend.found() == []


def test_order_that_is_taken_back_is_begun_by_nobody_and_one_that_was_begun_is_not_taken_back(server: Server) -> None:
    # Whoever is named there is ended after the test.
    sleeping = subprocess.Popen(["sleep", "60"])
    named, records = identity_of(sleeping.pid), server.records("e-1")
    assert named is not None
    records.order(job("end:0"), execution("e-1"))
    assert server.records("e-1").withdraw()
    with pytest.raises(FileNotFoundError), records.path.open():
        """It is not there any more."""
    with records.begun(named) as journal:
        assert journal is None
    records.order(job("end:0"), execution("e-1"))
    with records.begun(named) as journal:
        assert journal is not None
        assert not server.records("e-1").withdraw()
    assert not server.records("e-1").withdraw()


async def pid_of_one_that_ends(server: Server, execution_id: str) -> int:
    """The process that ran an execution that has ended well."""
    assert (await server.run("end:0", execution_id)).exit_code == 0
    process = server.records(execution_id).process()
    assert process is not None
    return process.pid
