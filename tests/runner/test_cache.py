"""The cache: bytes arrive once, what is visible is whole, and a crash leaves nothing half."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from faultproxy import Fault, FaultProxy
from gadus.contracts import Arrivals, Wanted
from gadus.core.errors import DiskFull, StorageUnavailable
from gadus.core.manifest import Item, Manifest
from gadus.runner.cache import Cache
from gadus.testing.sources import Arrived, content_of
from s3_server import Bucket


def manifest(*paths: str, etag: str = "1", directories: tuple[str, ...] = ()) -> Manifest:
    items = tuple(Item(key=path, path=path, size_bytes=len(path), etag=etag) for path in paths)
    return Manifest("test://", items, directories)


class Fetching:
    """A fetch that writes each file's path into it, and counts."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    async def __call__(self, wanted: Sequence[Wanted], arrivals: Arrivals) -> None:
        for one in wanted:
            await asyncio.sleep(0)
            with one.create() as file:
                file.write(one.item.key.encode())
            self.fetched.append(one.item.key)
            arrivals.whole(one)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


async def test_a_tree_is_the_manifest_and_nothing_else(cache: Cache) -> None:
    staged = await cache.tree(manifest("a", "d/b", directories=("d/empty",)), Fetching(), Arrived())
    assert content_of(staged.path) == {"a": b"a", "d/b": b"d/b"}
    assert (staged.path / "d/empty").is_dir()
    assert (staged.objects, staged.fetched_objects, staged.size_bytes) == (2, 2, 4)


async def test_the_same_manifest_is_fetched_once(cache: Cache) -> None:
    fetching = Fetching()
    for _ in range(2):
        staged = await cache.tree(manifest("a", "b"), fetching, Arrived())
    assert fetching.fetched == ["a", "b"]
    assert staged.fetched_objects == 0


async def test_only_changed_objects_are_fetched(cache: Cache) -> None:
    fetching = Fetching()
    await cache.tree(manifest("a", "b", "c"), fetching, Arrived())
    old = manifest("a", "b", "c")
    changed = Manifest(old.location, (*old.items[:2], Item(key="c", path="c", size_bytes=1, etag="2")))
    assert cache.cached_bytes(changed) == 2
    await cache.tree(changed, fetching, Arrived())
    assert fetching.fetched == ["a", "b", "c", "c"]


async def test_many_at_once_share_one_fetch(cache: Cache) -> None:
    fetching = Fetching()
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(cache.tree(manifest("a", "b"), fetching, Arrived()))
    assert fetching.fetched == ["a", "b"]


async def test_a_failed_fetch_leaves_no_tree_and_keeps_what_was_whole(cache: Cache, tmp_path: Path) -> None:
    async def half(wanted: Sequence[Wanted], arrivals: Arrivals) -> None:
        wanted[0].into.write_text("a")
        arrivals.whole(wanted[0])
        wanted[1].into.write_text("hal")
        raise StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable):
        await cache.tree(manifest("a", "half"), half, Arrived())
    assert list((tmp_path / "cache/trees").iterdir()) == []
    assert list((tmp_path / "cache/partial").iterdir()) == []
    fetching = Fetching()
    staged = await cache.tree(manifest("a", "half"), fetching, Arrived())
    assert fetching.fetched == ["half"]
    assert content_of(staged.path) == {"a": b"a", "half": b"half"}


async def test_a_nameless_item_is_the_target_itself(cache: Cache) -> None:
    one = Manifest("inline", (Item(key="k", path="", size_bytes=1, sha256="0" * 64),))
    staged = await cache.tree(one, Fetching(), Arrived())
    assert staged.path.read_bytes() == b"k"


async def test_files_of_the_cache_are_read_only(cache: Cache) -> None:
    staged = await cache.tree(manifest("a"), Fetching(), Arrived())
    assert (staged.path / "a").stat().st_mode & 0o222 == 0


async def test_too_much_for_the_disk_is_refused_before_the_fetch(cache: Cache) -> None:
    huge = Manifest("test://", (Item(key="k", path="k", size_bytes=1 << 60, etag="1"),))
    fetching = Fetching()
    with pytest.raises(DiskFull, match=r"needs 1048576\.0 TiB and the disk of .* has .* free"):
        await cache.tree(huge, fetching, Arrived())
    assert fetching.fetched == []


@pytest.mark.parametrize("durable", [True, False])
async def test_after_a_power_cut_only_what_is_known_to_be_on_disk_is_used(tmp_path: Path, durable: bool) -> None:
    root = tmp_path / "cache"
    staged = await Cache(root).tree(manifest("a"), Fetching(), Arrived())
    if durable:
        staged.path.with_name(staged.path.name + ".durable").touch()
    (root / "boot").write_text("the boot before")
    fetching = Fetching()
    again = await Cache(root).tree(manifest("a"), fetching, Arrived())
    assert fetching.fetched == ([] if durable else ["a"])
    assert content_of(again.path) == {"a": b"a"}


STAGE = """
import asyncio, sys
from pathlib import Path
from gadus.config import settings_from
from gadus.runner.cache import Cache
from gadus.storage.s3 import Source
from gadus.storage._s3_params import S3Params
from gadus.testing.sources import Arrived

async def main(root, bucket, endpoint):
    source = Source(settings_from())
    params = S3Params.model_validate({"Bucket": bucket, "Endpoint": endpoint, "Key": "d/"})
    manifest = await source.resolve(params)
    async def fetch(wanted, arrivals):
        print("staging", flush=True)
        await source.fetch(params, manifest, wanted, arrivals)
    staged = await Cache(Path(root)).tree(manifest, fetch, Arrived())
    print(staged.path, staged.fetched_objects)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.usefixtures("s3_environment")
async def test_killed_while_staging_shows_no_half_file_and_goes_on_where_it_was(
    bucket: Bucket, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Kill -9 at ten moments of one staging; after each, every file with a final name is whole."""
    bodies = {f"{number:03}": os.urandom(30_000 + number) for number in range(60)}
    for name, body in bodies.items():
        bucket.put(f"d/{name}", body)
    proxy.add(Fault(delay_seconds=0.02), key="d/*")
    root = tmp_path / "cache"
    command = [sys.executable, "-c", STAGE, str(root), bucket.name, proxy.server.endpoint]
    by_size = {len(body): body for body in bodies.values()}
    for moment in range(10):
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        line = await process.stdout.readline()
        await asyncio.sleep(0.012 * moment)
        if process.returncode is None and line == b"staging\n":
            process.send_signal(signal.SIGKILL)
        await process.wait()
        for path in (root / "objects").rglob("*"):
            if path.is_file():
                assert path.read_bytes() == by_size[path.stat().st_size]
        for tree in (root / "trees").iterdir():
            assert content_of(tree) == bodies
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    last = (await process.stdout.read()).decode().splitlines()[-1]
    assert await process.wait() == 0
    assert content_of(Path(last.split()[0])) == bodies
    assert list((root / "partial").iterdir()) == []
    gets = sum(one.method == "GET" and one.key.startswith("d/") for one in proxy.requests)
    # Of each killed run, at most the objects in flight are fetched again.
    assert gets <= len(bodies) + 10 * 32


@pytest.mark.usefixtures("s3_environment")
async def test_processes_staging_the_same_objects_fetch_each_once(bucket: Bucket, proxy: FaultProxy, tmp_path: Path) -> None:
    for number in range(64):
        bucket.put(f"d/{number}", os.urandom(1000))
    command = [sys.executable, "-c", STAGE, str(tmp_path / "cache"), bucket.name, proxy.server.endpoint]
    processes = [await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [await process.wait() for process in processes] == [0] * 4
    keys = [one.key for one in proxy.requests if one.method == "GET" and one.key]
    assert sorted(keys) == sorted({f"d/{number}" for number in range(64)})
