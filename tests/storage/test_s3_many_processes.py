"""Processes that stage from a real server, at once or killed: each object is asked for once, and nothing torn is ever seen."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from s3_input import Behind

from gadus.runner.cache import Cache
from gadus.testing.sources import content_of

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("CACHE_KILLS", "60"))
NURSERY = Path(__file__).with_name("staging_nursery.py")


async def put(behind: Behind, number: int, size_bytes: int) -> dict[str, bytes]:
    """So many objects, each with other bytes, by their paths."""
    files = {f"{at % 7}/{at:03}": os.urandom(size_bytes) for at in range(number)}
    for path, body in files.items():
        await asyncio.to_thread(behind.bucket.put, f"d/{path}", body)
    return files


async def python(*words: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


async def test_eight_processes_that_stage_the_same_at_once_ask_the_server_once_for_each_object(
    behind: Behind, tmp_path: Path
) -> None:
    files = await put(behind, 64, 300_000)
    words = ["-m", "bench.gadus_peer", behind.proxy.server.endpoint, behind.bucket.name, "d/", str(tmp_path / "data")]
    processes = [await python(*words) for _ in range(8)]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    ends = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 8
    assert Counter(one.key for one in behind.proxy.seen("GET", "d/*")) == Counter(f"d/{path}" for path in files)
    told = [json.loads(out) for out, _ in ends]
    assert sum(one["fetched_objects"] for one in told) == 64
    for one in told:
        assert content_of(Path(one["tree"])) == files


@pytest.mark.timeout(60 + 2 * KILLS)
async def test_killed_at_any_instant_nothing_torn_is_visible_and_nothing_finished_is_asked_for_again(
    behind: Behind, tmp_path: Path
) -> None:
    """Kills at random instants of stagings of 300 objects; a cache that became whole is begun anew."""
    chance = random.Random(11)
    files = await put(behind, 300, 2000)
    [found] = [one for one in await behind.resolve(Key="d/") if one.items]
    by_identity = {item.identity(found.location): item for item in found.items}
    nursery = await python(str(NURSERY))
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    kills = whole_runs = begun = 0
    finished: set[str] = set()
    data = tmp_path / "data"
    while kills < KILLS:
        before = len(behind.proxy.requests)
        nursery.stdin.write(f"{behind.proxy.server.endpoint} {behind.bucket.name} d/ {data}\n".encode())
        process = int(await nursery.stdout.readline())
        status = asyncio.create_task(nursery.stdout.readline())
        # So many requests, and then some instant in the work on their answers.
        requests = before + chance.randrange(60)
        while not status.done() and len(behind.proxy.requests) < requests:
            await asyncio.wait([status], timeout=0.001)
        await asyncio.sleep(chance.uniform(0, 0.01))
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        kills += await status != b"0\n"
        asked = {one.key for one in behind.proxy.requests[before:] if one.key}
        assert not finished & asked
        begun += bool(asked)
        for path in (data / "cache/objects").rglob("*"):
            if path.is_file():
                item = by_identity[path.name]
                assert path.read_bytes() == files[item.path]
                finished.add(item.key)
        if trees := [path for path in (data / "cache/trees").glob("*") if path.is_dir()]:
            assert [content_of(tree / "files") for tree in trees] == [files]
            assert all(not one.damaged_objects for one in Cache(data / "cache").verify(thorough=True))
            shutil.rmtree(data)
            finished.clear()
            whole_runs += 1
    nursery.stdin.close()
    await nursery.wait()
    # Else the instants were all too early, or all too late.
    assert whole_runs >= KILLS // 40
    assert begun >= KILLS // 2
