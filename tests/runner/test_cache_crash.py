"""The cache when processes die and when many work at once: nothing torn is visible, nothing finished is fetched again."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from staging import LOCATION, Fetching, Told, bodies, body_of, content_of, grow, item, items, objects_in, partials_in

from gadus import wiring
from gadus.config import Settings
from gadus.core.manifest import Item
from gadus.runner import durability
from gadus.runner.cache import Cache
from gadus.runner.durability import mark_what_is_durable

KILLS = int(os.environ.get("CACHE_KILLS", "60"))
LARGE_BYTES = 12 << 20


async def start(root: Path, log: Path, *, name: str, count: int, size_bytes: int, seconds: float = 0, stop_at: int = -1):
    words = [str(root), str(log), name, str(count), str(size_bytes), str(seconds), str(stop_at)]
    program = str(Path(__file__).with_name("staging_process.py"))
    return await asyncio.create_subprocess_exec(sys.executable, program, *words)


def told(log: Path, word: str) -> list[str]:
    """What stands after `word` in the lines of the log; a last line that was cut short counts as well."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == word]


async def until(process: asyncio.subprocess.Process, log: Path, word: str) -> None:
    while not told(log, word):
        assert process.returncode is None
        await asyncio.sleep(0.005)


def check_all_visible(root: Path, wanted: list[Item]) -> set[str]:
    """Every object with its final name is whole, and so is every tree; returns the keys of the objects."""
    by_identity = {one.identity(LOCATION): one for one in wanted}
    seen = set()
    for path in objects_in(root):
        assert path.read_bytes() == body_of(by_identity[path.name])
        assert path.stat().st_mode & 0o222 == 0
        seen.add(by_identity[path.name].key)
    # A process may have been killed before it made the directories.
    for tree in (root / "trees").glob("*"):
        if tree.is_dir():
            assert content_of(tree / "files") == bodies(wanted)
    return seen


@pytest.mark.timeout(60 + 2 * KILLS)
async def test_killed_at_any_instant_nothing_torn_is_visible_and_nothing_finished_is_fetched_again(tmp_path: Path) -> None:
    """Kills at random instants of stagings of 300 objects; a cache that became whole is begun anew."""
    chance = random.Random(7)
    wanted = items(300, 2000)
    program = str(Path(__file__).with_name("staging_process.py"))
    nursery = await asyncio.create_subprocess_exec(sys.executable, program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    kills = whole_runs = begun = 0
    finished: set[str] = set()
    root = tmp_path / "cache-0"
    while kills < KILLS:
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        nursery.stdin.write(f"{root} {log} t 300 2000 0.0005 -1\n".encode())
        process = int(await nursery.stdout.readline())
        status = asyncio.create_task(nursery.stdout.readline())
        # So many objects, and then some instant in the work on the next ones.
        objects = chance.randrange(24)
        while not status.done() and len(told(log, "begin")) < objects:
            await asyncio.wait([status], timeout=0.001)
        await asyncio.sleep(chance.uniform(0, 0.004))
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        kills += await status != b"0\n"
        keys = [line.split()[0] for line in told(log, "begin")]
        assert len(set(keys)) == len(keys)
        assert not finished & set(keys)
        finished |= check_all_visible(root, wanted)
        assert finished >= set(told(log, "whole"))
        begun += bool(keys)
        if (root / "trees/t").exists():
            check_nothing_is_left(root)
            shutil.rmtree(root)
            finished.clear()
            whole_runs += 1
            root = tmp_path / f"cache-{whole_runs}"
    nursery.stdin.close()
    await nursery.wait()
    # Else the instants were all too early, or all too late.
    assert whole_runs >= KILLS // 40
    assert begun >= KILLS // 2


def check_nothing_is_left(root: Path) -> None:
    Cache(root)
    assert partials_in(root) == []


async def test_processes_staging_the_same_objects_fetch_each_once(tmp_path: Path) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    processes = [await start(root, log, name=f"t{number % 3}", count=64, size_bytes=1000, seconds=0.002) for number in range(8)]
    assert [await process.wait() for process in processes] == [0] * 8
    assert Counter(line.split()[0] for line in told(log, "begin")) == Counter(one.key for one in items(64, 1000))
    assert sum(int(line.split()[1]) for line in told(log, "done")) == 64
    assert [line.split()[0] for line in told(log, "done")] == ["64"] * 8
    check_all_visible(root, items(64, 1000))
    check_nothing_is_left(root)
    assert Cache(root).state()[0] == 64_000


async def test_an_object_whose_process_dies_is_taken_over_by_who_waits_for_it(tmp_path: Path) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    process = await start(root, log, name="dying", count=1, size_bytes=LARGE_BYTES, stop_at=4 << 20)
    await until(process, log, "stopping")
    fetching, report = Fetching(), Told()
    waiting = asyncio.create_task(grow(Cache(root), items(1, LARGE_BYTES), fetching, report=report))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    process.kill()
    await process.wait()
    tree = await waiting
    assert content_of(tree.path) == bodies(items(1, LARGE_BYTES))
    assert (report.here_bytes, report.arrived_bytes) == (4 << 20, 8 << 20)


async def test_a_killed_large_object_goes_on_where_it_was(tmp_path: Path) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    for stop_at in (3 << 20, 7 << 20):
        process = await start(root, log, name="t", count=1, size_bytes=LARGE_BYTES, stop_at=stop_at)
        await until(process, log, "stopping")
        process.kill()
        await process.wait()
        log.rename(tmp_path / f"log-{stop_at}")
    key = items(1)[0].key
    assert told(tmp_path / f"log-{3 << 20}", "begin") == [f"{key} 0-{LARGE_BYTES}"]
    assert told(tmp_path / f"log-{7 << 20}", "begin") == [f"{key} {3 << 20}-{LARGE_BYTES}"]
    process = await start(root, log, name="t", count=1, size_bytes=LARGE_BYTES)
    assert await process.wait() == 0
    assert told(log, "begin") == [f"{key} {7 << 20}-{LARGE_BYTES}"]
    assert told(log, "done") == [f"1 1 {7 << 20} {5 << 20}"]
    check_all_visible(root, items(1, LARGE_BYTES))
    check_nothing_is_left(root)


@pytest.mark.parametrize("damage", ["torn line", "other file", "garbage", "no journal"])
async def test_a_journal_is_believed_only_as_far_as_it_is_whole_and_of_this_file(tmp_path: Path, damage: str) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    process = await start(root, log, name="t", count=1, size_bytes=LARGE_BYTES, stop_at=3 << 20)
    await until(process, log, "stopping")
    process.kill()
    await process.wait()
    (journal,) = (root / "partial").glob("*.parts")
    partial = journal.with_suffix("")
    match damage:
        case "torn line":
            journal.write_bytes(journal.read_bytes() + b"31457")
        case "other file":
            kept = tmp_path / "kept"
            partial.rename(kept)
            partial.write_bytes(bytes(LARGE_BYTES))
        case "garbage":
            journal.write_bytes(b"\0\xff\n\n" * 1000)
        case "no journal":
            journal.unlink()
    report = Told()
    tree = await grow(Cache(root), items(1, LARGE_BYTES), report=report)
    assert content_of(tree.path) == bodies(items(1, LARGE_BYTES))
    assert report.here_bytes == (3 << 20 if damage == "torn line" else 0)
    assert report.here_bytes + report.arrived_bytes == LARGE_BYTES


@pytest.mark.parametrize("size_bytes", [0, 1000, LARGE_BYTES])
async def test_a_process_that_died_just_before_the_last_step_is_no_hindrance(tmp_path: Path, size_bytes: int) -> None:
    """The file is complete and read-only, but has not its final name."""
    root = tmp_path / "cache"
    cache = Cache(root)
    one = item("a", size_bytes)
    left = root / "partial" / one.identity(LOCATION)
    left.write_bytes(body_of(one))
    left.chmod(0o444)
    tree = await grow(cache, [one])
    assert content_of(tree.path) == bodies([one])
    check_nothing_is_left(root)


async def test_what_a_dead_process_left_is_gone_when_the_cache_is_opened_again(tmp_path: Path) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    process = await start(root, log, name="t", count=3, size_bytes=1000, stop_at=0)
    await until(process, log, "stopping")
    assert partials_in(root) != []
    Cache(root)
    assert len([name for name in partials_in(root) if len(name) == 64]) > 0, "of the living nothing is taken"
    process.kill()
    await process.wait()
    check_nothing_is_left(root)
    assert Cache(root).state()[0] == 0


async def test_a_large_partial_object_is_dropped_after_a_week(tmp_path: Path) -> None:
    root, log = tmp_path / "cache", tmp_path / "log"
    process = await start(root, log, name="t", count=1, size_bytes=LARGE_BYTES, stop_at=3 << 20)
    await until(process, log, "stopping")
    process.kill()
    await process.wait()
    (journal,) = (root / "partial").glob("*.parts")
    for days, left in ((6, 2), (8, 0)):
        then = time.time() - days * 86400
        os.utime(journal.with_suffix(""), (then, then))
        Cache(root)
        assert len(partials_in(root)) == left


async def test_a_journal_whose_object_is_whole_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    cache = Cache(root)
    await grow(cache, items(1, LARGE_BYTES))
    (root / "partial" / f"{items(1, LARGE_BYTES)[0].identity(LOCATION)}.parts").write_text("7 12582912\n")
    check_nothing_is_left(root)


@pytest.mark.parametrize("durable", [True, False])
async def test_after_a_power_cut_only_what_is_known_to_be_on_disk_is_used(tmp_path: Path, durable: bool) -> None:
    root = tmp_path / "cache"
    await grow(Cache(root), items(3))
    if durable:
        (root / "trees/tree.durable").touch()
    (root / "partial" / item("x").identity(LOCATION)).write_bytes(b"torn")
    stamp = (root / "boot").read_text()
    (root / "boot").write_text(stamp[:-8] + "00000000")
    fetching = Fetching()
    again = Cache(root)
    assert partials_in(root) == []
    assert [one.name for one in again.list()] == (["tree"] if durable else [])
    tree = await grow(again, items(3), fetching, name="again")
    assert len(fetching.fetched) == (0 if durable else 3)
    assert content_of(tree.path) == bodies(items(3))
    assert again.state()[0] == 300


async def test_a_cache_of_an_older_form_is_begun_anew(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    (root / "trees/old").mkdir(parents=True)
    (root / "objects/00").mkdir(parents=True)
    (root / "objects/00/old").write_text("old")
    (root / "boot").write_text("6bd1c2e4-0000-0000-0000-000000000000")
    cache = Cache(root)
    assert (cache.list(), objects_in(root)) == ([], [])
    assert (await grow(cache, items(3))).fetched_objects == 3


async def test_a_tree_that_has_settled_is_marked_durable_and_a_fresh_one_is_not(tmp_path: Path) -> None:
    """A minute is too long for a test: the settled tree is one that is older than no time at all."""
    root = tmp_path / "cache"
    await grow(Cache(root), items(3))
    before = set(threading.enumerate())
    Cache(root)
    for marking in set(threading.enumerate()) - before:
        marking.join()
    assert not (root / "trees/tree.durable").exists()
    mark_what_is_durable(root / "trees", settled_seconds=-1)
    for marking in set(threading.enumerate()) - before:
        marking.join()
    assert (root / "trees/tree.durable").exists()


async def test_server_that_runs_for_long_marks_what_has_settled_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes are too long for a test, and so is the one after which a tree has settled."""
    monkeypatch.setattr(wiring, "_ENGINE_BACK_SECONDS", 0.01)
    monkeypatch.setattr(durability, "_SETTLED_SECONDS", -1)
    settings = Settings(data_dir=tmp_path)
    cleaning = asyncio.create_task(wiring.Parts(settings).clean_up_later())
    await asyncio.sleep(0.2)
    await grow(Cache(settings.cache_dir), items(3))
    (settings.cache_dir / "trees/tree.durable").unlink(missing_ok=True)
    async with asyncio.timeout(20):
        while not (settings.cache_dir / "trees/tree.durable").exists():  # noqa: ASYNC110 - a thread makes it
            await asyncio.sleep(0.01)
    cleaning.cancel()
    await asyncio.wait([cleaning])
