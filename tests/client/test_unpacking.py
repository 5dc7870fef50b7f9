"""Archives of results: what is in them is put below one directory, and nothing anywhere else."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from descriptors import opened
from gadus.client.merging import Merged
from gadus.client.unpacking import kept, unpacked
from gadus.core.errors import Conflict, DiskFull, InputUnsafe, Unavailable


def member(name: str, kind: bytes = tarfile.REGTYPE, *, target: str = "", size: int = 0, mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size, made.mode = kind, target, size, mode
    return made


def archive(*members: tarfile.TarInfo | tuple[str, bytes], compressed: bool = True) -> bytes:
    """A tar with these members, or files of these names and contents."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz" if compressed else "w:") as tar:
        for one in members:
            if isinstance(one, tuple):
                tar.addfile(member(one[0], size=len(one[1])), io.BytesIO(one[1]))
            else:
                tar.addfile(one)
    return data.getvalue()


async def pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "deep" / "results"
    made.mkdir(parents=True)
    return made


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("compressed", [True, False])
async def test_directories_and_files_arrive_and_programs_can_be_run(root: Path, compressed):
    merged = Merged(root, apart=False)
    data = archive(member("out", tarfile.DIRTYPE), ("out/a", b"a" * 5000), ("b", b""), compressed=compressed)
    await unpacked(pieces(data), merged, "e-1")
    await unpacked(pieces(archive(member("out/tool", mode=0o744))), merged, "e-2")
    merged.finish()
    assert files(root) == {"b": b"", "out/a": b"a" * 5000, "out/tool": b""}
    assert os.access(root / "out" / "tool", os.X_OK)
    assert not os.access(root / "out" / "a", os.X_OK)


@pytest.mark.parametrize("name", ["../up", "/etc/gadus", "out/../../up", "a//b", "a/./b", ".."])
async def test_name_that_leads_elsewhere_is_refused(root: Path, tmp_path: Path, name):
    with pytest.raises(InputUnsafe, match="leads out"):
        await unpacked(pieces(archive((name, b"x"))), Merged(root, apart=False), "e-1")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not Path("/etc/gadus").exists()


async def test_nothing_is_written_through_a_link(root: Path, tmp_path: Path):
    merged = Merged(root, apart=False)
    link = member("out", tarfile.SYMTYPE, target="..")
    with pytest.raises(Conflict):
        await unpacked(
            pieces(archive(link, ("out/stolen", b"x"), member("near", tarfile.SYMTYPE, target="out"), ("near/x", b"x"))),
            merged,
            "e-1",
        )
        merged.finish()
    assert not (tmp_path / "deep" / "stolen").exists()


@pytest.mark.parametrize(
    ("name", "target", "stays"),
    [
        ("near", "file", True),
        ("a/b/near", "../../file", True),
        ("near", "..", False),
        ("a/away", "../../file", False),
        ("away", "/etc/passwd", False),
        ("away", "a/b/../../../file", False),
        ("away", "a/../file", False),
    ],
)
async def test_only_links_within_the_results_are_kept(root: Path, name, target, stays):
    merged = Merged(root, apart=False)
    await unpacked(pieces(archive(("file", b"x"), member(name, tarfile.SYMTYPE, target=target))), merged, "e-1")
    merged.finish()
    assert (root / name).is_symlink() == stays
    assert merged.left_out == ([] if stays else [name])


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.LNKTYPE])
async def test_what_is_no_file_is_left_out_by_name(root: Path, kind):
    merged = Merged(root, apart=False)
    await unpacked(pieces(archive(("file", b"x"), member("odd", kind, target="file"))), merged, "e-1")
    merged.finish()
    assert (files(root), merged.left_out) == ({"file": b"x"}, ["odd"])


async def test_executions_are_merged_or_kept_apart(root: Path, tmp_path: Path):
    merged = Merged(root, apart=False)
    for execution in ("e-1", "e-2"):
        data = archive(("stdout", b"a"), ("exitCode", b"0"), ("receipt.json", f'"{execution}"'.encode()))
        await unpacked(pieces(data), merged, execution)
    merged.finish()
    assert files(root) == {"exitCode": b"00", "receipt.json": b'[\n  "e-1",\n  "e-2"\n]\n', "stdout": b"aa"}
    (apart := tmp_path / "apart").mkdir()
    merged = Merged(apart, apart=True)
    for execution in ("e-1", "e-2"):
        await unpacked(pieces(archive(("out/x", execution.encode()))), merged, execution)
    merged.finish()
    assert files(apart) == {"e-1/out/x": b"e-1", "e-2/out/x": b"e-2"}


async def test_same_file_of_two_executions_is_a_conflict(root: Path):
    merged = Merged(root, apart=False)
    await unpacked(pieces(archive(("out/x", b"1"))), merged, "e-1")
    with pytest.raises(Conflict, match="output already exists: x"):
        await unpacked(pieces(archive(("out/x", b"2"))), merged, "e-2")
    assert files(root) == {"out/x": b"1"}


@pytest.mark.parametrize("only", ["out/a", "out"])
async def test_only_what_is_wanted_is_taken(root: Path, only):
    merged = Merged(root, apart=False, only=only)
    await unpacked(pieces(archive(("out/a", b"a"), ("outer", b"o"), ("stdout", b"s"))), merged, "e-1")
    assert (files(root), merged.files) == ({"out/a": b"a"}, 1)


@pytest.mark.parametrize("lost_bytes", [1, 8, 40])
async def test_archive_that_ends_too_early_is_noticed(root: Path, lost_bytes):
    data = archive(("a", os.urandom(20_000)))
    with pytest.raises(Unavailable, match="did not arrive whole"):
        await unpacked(pieces(data[:-lost_bytes]), Merged(root, apart=False), "e-1")


async def test_archive_that_is_damaged_is_noticed(root: Path):
    data = bytearray(archive(("a", os.urandom(20_000))))
    data[10_000] ^= 1
    with pytest.raises(Unavailable, match="did not arrive whole"):
        await unpacked(pieces(bytes(data)), Merged(root, apart=False), "e-1")


async def test_file_that_has_no_room_is_refused_before_it_fills_the_disk(root: Path):
    head = member("huge", size=1 << 60).tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(DiskFull, match="huge"):
        await unpacked(pieces(gzip.compress(head + b"0" * 4096)), Merged(root, apart=False), "e-1")
    assert files(root) == {}


async def test_sender_that_breaks_off_is_the_reason_that_is_told(root: Path):
    async def breaking() -> AsyncIterator[bytes]:
        yield archive(("a", os.urandom(20_000)))[:9000]
        raise Unavailable("the server went away")

    with pytest.raises(Unavailable, match="the server went away"):
        await unpacked(breaking(), Merged(root, apart=False), "e-1")


async def test_cancelled_unpacking_is_over_when_it_has_ended(root: Path):
    waits = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield archive(("a", os.urandom(20_000)))[:9000]
        waits.set()
        await asyncio.Event().wait()

    before = opened()
    unpacking = asyncio.create_task(unpacked(stuck(), Merged(root, apart=False), "e-1"))
    await waits.wait()
    unpacking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unpacking
    assert opened() <= before


async def test_file_that_is_no_archive_is_kept_under_its_name(root: Path):
    await kept(pieces(b"x" * 5000), Merged(root, apart=False), "table.csv")
    assert files(root) == {"table.csv": b"x" * 5000}
