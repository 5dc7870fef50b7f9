"""``gadus cache list``, ``verify`` and ``prune``, as a person and as a program use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from staging import grow, items

from gadus.config import settings_from
from gadus.core.errors import InvalidSpec
from gadus.runner.cache import Cache


def gadus(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gadus", "cache", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment})


@pytest.fixture
def cache(environment_of_its_own: Path) -> Cache:
    return Cache(environment_of_its_own / "gadus/cache", limit_bytes=1 << 30)


async def test_list_shows_trees_their_use_and_the_room(cache: Cache) -> None:
    await grow(cache, items(2, 1024), name="a" * 64)
    with ExitStack() as leases:
        await grow(cache, items(3, 1024), name="b" * 64, leases=leases)
        shown = gadus("list", GADUS_CACHE_LIMIT="2GiB")
        told = json.loads(gadus("list", "--json", GADUS_CACHE_LIMIT="2GiB").stdout)
    head, first, second, _, room = shown.stdout.splitlines()
    assert head.split("  ")[0] == "TREE"
    assert first.split()[:5] == ["b" * 12, "test://", "3", "3.0", "KiB"]
    assert (first.split()[-1], second.split()[-1]) == ("yes", "no")
    assert room == "3.0 KiB in all, each object counted once; the limit is 2.0 GiB"
    assert (told["bytes"], told["limit_bytes"]) == (3072, 2 << 30)
    assert [(one["tree"][0], one["objects"], one["bytes"], one["in_use"]) for one in told["trees"]] == [
        ("b", 3, 3072, True),
        ("a", 2, 2048, False),
    ]


def test_list_of_nothing_is_a_header_and_the_limit() -> None:
    shown = gadus("list")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[2].startswith("0 B in all")


async def test_verify_ends_with_0_for_whole_trees_and_1_for_damaged_ones(cache: Cache) -> None:
    await grow(cache, items(2), name="whole")
    await grow(cache, items(3, etag="2"), name="other")
    shown = gadus("verify")
    assert shown.returncode == 0
    assert (
        shown.stdout == "2 trees with 5 objects (500 B) checked, 5 by a digest and the others by their size; 0 trees damaged\n"
    )
    damaged = cache.list()[0]
    assert damaged.name == "other"
    path = next(Path(os.environ["GADUS_DATA_DIR"]).glob("cache/trees/other/files/1/*"))
    path.chmod(0o644)
    path.write_bytes(bytes(100))
    shown = gadus("verify", "--all")
    assert shown.returncode == 1
    assert "other of test://: 1 damaged object; removed\n  1/0001\n" in shown.stdout
    assert [one.name for one in cache.list()] == ["whole"]
    assert json.loads(gadus("verify", "--json").stdout)["damaged"] == 0


async def test_prune_says_what_it_freed(cache: Cache) -> None:
    await grow(cache, items(2), name="a")
    await grow(cache, items(5), name="b")
    assert gadus("prune").stdout.startswith("0 B freed: 0 trees, 0 objects, 0 partial objects\n500 B left;")
    # The tree that goes first, and the objects that only it had: none.
    assert gadus("prune", "--to", "450").stdout.startswith("500 B freed: 2 trees, 5 objects")
    await grow(cache, items(2), name="a")
    assert json.loads(gadus("prune", "--all", "--json").stdout)["freed_bytes"] == 200
    assert cache.list() == []


@pytest.mark.parametrize(
    ("words", "limit", "said"),
    [
        (("prune", "--all", "--to", "1GB"), "", "--all and --to"),
        (("prune", "--to", "much"), "", "'much' is not an amount"),
        (("list",), "lots", "GADUS_CACHE_LIMIT: 'lots' is neither a size nor a share"),
    ],
)
def test_mistakes_are_named_with_the_way_out(words: tuple[str, ...], limit: str, said: str) -> None:
    shown = gadus(*words, GADUS_CACHE_LIMIT=limit)
    assert shown.returncode == 2
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_limit_is_a_size_or_a_share_of_the_file_system(tmp_path: Path) -> None:
    def limit(text: str) -> int | None:
        return settings_from({"GADUS_CACHE_LIMIT": text}, data_dir=str(tmp_path)).cache_limit_bytes

    disk = os.statvfs(tmp_path)
    assert limit("") is None
    assert limit("50GB") == 50 * 10**9
    assert limit("25 %") == disk.f_blocks * disk.f_frsize // 4
    for wrong in ("0", "0%", "101%", "-1", "50XB", "%"):
        with pytest.raises(InvalidSpec, match="GADUS_CACHE_LIMIT"):
            limit(wrong)
