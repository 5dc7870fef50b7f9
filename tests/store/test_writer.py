"""Appends of many at once: one transaction for all that wait, an answer to each, and none that waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest
from storing import step, stop, submission, submit

from gadus.core.errors import Bug, Conflict, GadusError, NotFound, StorageUnavailable
from gadus.core.job import Job, StopRequested
from gadus.orchestrator.store import Change, Writer, open_store
from gadus.orchestrator.store import writer as writing
from gadus.orchestrator.store.log import EventLog

NEEDLESSLY_LARGE = 10**30
"""A priority that no database takes; nor does a job file, so only a defect brings it here."""


class Held(EventLog):
    """A real store whose transactions wait for `go`, and that counts them."""

    def __init__(self, path: Path) -> None:
        opened = open_store(path)
        super().__init__(opened.database, lambda _: "", lambda _: None)
        self.go = threading.Event()
        self.begun = threading.Event()
        self.sizes: list[int] = []

    def append_all(self, changes: Sequence[Change]) -> list[GadusError | None]:
        self.sizes.append(len(changes))
        self.begun.set()
        assert self.go.wait(60)
        return super().append_all(changes)


async def submitted(writer: Writer, job_id: str, **fields: object) -> Job:
    change = submission(job_id, **fields)  # type: ignore[arg-type]
    await writer.append(None, change.after, *change.events, key=change.key)
    return change.after


async def begun(store: Held) -> None:
    await asyncio.to_thread(store.begun.wait, 60)


async def test_what_is_answered_is_there_and_many_share_a_transaction(where: Path | str) -> None:
    with open_store(where) as store, Writer(store) as writer:
        jobs = await asyncio.gather(*(submitted(writer, f"j-{n}", key=f"k{n}") for n in range(300)))
        with open_store(where) as other:
            assert {job.id for job in other.page(limit=999)[0]} == {job.id for job in jobs}


async def test_all_that_wait_go_together_but_not_too_many(path: Path) -> None:
    with Held(path) as store, Writer(store) as writer:
        first = asyncio.create_task(submitted(writer, "j-first"))
        await begun(store)
        rest = [asyncio.create_task(submitted(writer, f"j-{n}")) for n in range(600)]
        await asyncio.sleep(0)
        store.go.set()
        await asyncio.gather(first, *rest)
        assert store.sizes == [1, 256, 256, 88]


async def test_each_hears_of_its_own_conflict(where: Path | str) -> None:
    with open_store(where) as store:
        job = submit(store, "j-1")
        stale = step(job, StopRequested(at=2, reason="why"))
        stop(store, job)
        with Writer(store) as writer:
            answers = await asyncio.gather(
                submitted(writer, "j-2"),
                writer.append(stale.before, stale.after, *stale.events),
                submitted(writer, "j-3", key="k"),
                submitted(writer, "j-4", key="k"),
                return_exceptions=True,
            )
        assert [isinstance(answer, Conflict) for answer in answers] == [False, True, False, True]
        assert {job.id for job in store.page(limit=9)[0]} == {"j-1", "j-2", "j-3"}


async def test_a_change_that_cannot_be_written_at_all_takes_no_other_with_it(where: Path | str) -> None:
    change = submission("j-2")
    broken = change.after.model_copy(update={"spec": change.after.spec.model_copy(update={"priority": NEEDLESSLY_LARGE})})
    with open_store(where) as store, Writer(store) as writer:
        answers = await asyncio.gather(
            submitted(writer, "j-1"),
            writer.append(None, broken, *change.events),
            submitted(writer, "j-3"),
            return_exceptions=True,
        )
        assert [isinstance(answer, Bug) for answer in answers] == [False, True, False]
        assert {job.id for job in store.page(limit=9)[0]} == {"j-1", "j-3"}


async def test_a_store_that_is_behind_refuses_at_once_and_answers_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LONGEST_WAIT_SECONDS", 0.0)
    with Held(path) as store, Writer(store) as writer:
        first = asyncio.create_task(submitted(writer, "j-1"))
        await begun(store)
        with pytest.raises(StorageUnavailable, match="behind") as caught:
            await submitted(writer, "j-2")
        assert caught.value.retry_after_seconds >= 1
        assert store.page(limit=9)[0] == []
        store.go.set()
        assert (await first).id == "j-1"
        assert (await submitted(writer, "j-3")).id == "j-3"
        with pytest.raises(NotFound):
            store.get("j-2")


async def test_the_queue_has_an_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LARGEST_QUEUE", 3)
    with Held(path) as store, Writer(store) as writer:
        tasks = [asyncio.create_task(submitted(writer, "j-first"))]
        await begun(store)
        tasks += [asyncio.create_task(submitted(writer, f"j-{n}")) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(StorageUnavailable, match="3 changes to write"):
            await submitted(writer, "j-more")
        store.go.set()
        assert len(await asyncio.gather(*tasks)) == 4


async def test_who_is_cancelled_before_the_writing_leaves_nothing(path: Path) -> None:
    """1. One is being written, two wait. 2. The first and the second are cancelled. 3. The first still learns its end."""
    with Held(path) as store, Writer(store) as writer:
        first = asyncio.create_task(submitted(writer, "j-1"))
        await begun(store)
        second = asyncio.create_task(submitted(writer, "j-2"))
        third = asyncio.create_task(submitted(writer, "j-3"))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert not first.done()
        store.go.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        await third
        assert {job.id for job in store.page(limit=9)[0]} == {"j-1", "j-3"}


async def test_at_its_end_everything_that_waits_is_written_and_nothing_new_taken(path: Path) -> None:
    with Held(path) as store:
        writer = Writer(store)
        tasks = [asyncio.create_task(submitted(writer, f"j-{n}")) for n in range(5)]
        await begun(store)
        closing = asyncio.create_task(asyncio.to_thread(writer.close))
        store.go.set()
        await asyncio.gather(closing, *tasks)
        assert len(store.page(limit=9)[0]) == 5
        with pytest.raises(StorageUnavailable, match="being closed"):
            await submitted(writer, "j-late")


async def test_a_store_that_another_process_holds_answers_reads_and_takes_changes_when_it_is_free(path: Path) -> None:
    with open_store(path) as store, Writer(store) as writer:
        job = submit(store, "j-1")
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(submitted(writer, "j-2"))
        await asyncio.sleep(0)
        assert store.get("j-1") == job
        assert not waiting.done()
        other.execute("ROLLBACK")
        assert (await waiting).id == "j-2"
        other.close()
