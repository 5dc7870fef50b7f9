"""What is kept of a program's output, however much there is, and what a reader sees of it meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gadus.contracts import Stream
from gadus.runner.logs import LOG_LIMIT_BYTES, Logs
from gadus.runner.ring import Ring, left_out_line, tail_directory
from gadus.runner.ring_reader import RingReader

LIMIT_BYTES = 8000
HEAD_BYTES, TAIL_BYTES = 1000, 7000
MIB = 2**20


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    made = Ring(tmp_path / "stdout", LIMIT_BYTES)
    yield made
    made.close()


def lines(size_bytes: int) -> bytes:
    """Numbered lines of eight bytes each."""
    return b"".join(b"%07d\n" % number for number in range(size_bytes // 8))


def shortened(data: bytes, *, head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> bytes:
    gap = len(data) - head - tail
    return data[:head] + left_out_line(gap) + data[len(data) - tail :] if gap > 0 else data


def on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def everything(reader: RingReader) -> bytes:
    return b"".join(iter(reader.read, b""))


@pytest.mark.parametrize("size_bytes", [0, 8, 1000, 1008, 7000, 8000])
@pytest.mark.parametrize("piece_bytes", [1, 333, 10_000])
def test_stream_within_the_limit_is_kept_as_it_is(tmp_path: Path, ring: Ring, size_bytes: int, piece_bytes: int) -> None:
    data = lines(size_bytes)
    for start in range(0, size_bytes, piece_bytes):
        ring.write(data[start : start + piece_bytes])
    ring.close()
    assert ((tmp_path / "stdout").read_bytes(), ring.left_out_bytes) == (data, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["stdout"]


@pytest.mark.parametrize("size_bytes", [8008, 8800, 16_000, 100_000])
@pytest.mark.parametrize("piece_bytes", [7, 875, 6000, 9000, 100_000])
def test_longer_stream_keeps_its_head_and_its_tail_and_says_what_is_between(
    tmp_path: Path, ring: Ring, size_bytes: int, piece_bytes: int
) -> None:
    data = lines(size_bytes)
    for start in range(0, size_bytes, piece_bytes):
        ring.write(data[start : start + piece_bytes])
        assert on_disk(tmp_path) <= LIMIT_BYTES + 2 * TAIL_BYTES // 8
    ring.close()
    assert (tmp_path / "stdout").read_bytes() == shortened(data)
    assert ring.left_out_bytes == size_bytes - LIMIT_BYTES
    assert [path.name for path in tmp_path.iterdir()] == ["stdout"]


def test_line_without_an_end_and_binary_bytes_are_kept_alike(tmp_path: Path, ring: Ring) -> None:
    data = bytes(range(256)) * 100
    ring.write(data)
    ring.close()
    gap = len(data) - LIMIT_BYTES
    assert (tmp_path / "stdout").read_bytes() == data[:HEAD_BYTES] + b"\n" + left_out_line(gap) + data[-TAIL_BYTES:]


def test_a_gigabyte_takes_no_more_than_the_limit(tmp_path: Path) -> None:
    block = b"x" * (16 * MIB)
    seen = 0

    def forward(_: Stream, data: bytes) -> None:
        nonlocal seen
        seen += len(data)

    with Logs(tmp_path, forward) as logs:
        for _ in range(64):
            logs.write(Stream.STDOUT, block)
            assert on_disk(tmp_path) <= LOG_LIMIT_BYTES + 14 * MIB
    assert (seen, logs.cut) == (64 * len(block), {"stdout": 64 * len(block) - LOG_LIMIT_BYTES})
    assert (tmp_path / "stdout").stat().st_size <= LOG_LIMIT_BYTES + 64


def test_flood_of_one_stream_leaves_the_other_whole(tmp_path: Path) -> None:
    with Logs(tmp_path, lambda *_: None, limit_bytes=LIMIT_BYTES) as logs:
        for number in range(1000):
            logs.write(Stream.STDOUT, b"x" * 100)
            logs.write(Stream.STDERR, b"%d\n" % number)
    assert (tmp_path / "stderr").read_text().splitlines() == [str(number) for number in range(1000)]
    assert logs.cut == {"stdout": 100_000 - LIMIT_BYTES}


def test_full_disk_leaves_out_what_it_does_not_take_and_says_so(tmp_path: Path, ring: Ring) -> None:
    """1. The tail is being written. 2. The disk is full for a while. 3. There is room again."""
    data = lines(4000)
    ring.write(data)
    tail_directory(tmp_path / "stdout").chmod(0o700)
    with disk_full(tail_directory(tmp_path / "stdout")):
        ring.write(b"y" * 3000)
    ring.write(b"last\n")
    ring.close()
    assert (tmp_path / "stdout").read_bytes() == data[:HEAD_BYTES] + left_out_line(6000) + b"last\n"
    assert ring.left_out_bytes == 6000


@contextmanager
def disk_full(directory: Path) -> Iterator[None]:
    """No file can be made where `directory` was: a file is in its place."""
    aside = directory.with_name("aside")
    directory.rename(aside)
    directory.touch()
    try:
        yield
    finally:
        directory.unlink()
        aside.rename(directory)


def test_notes_are_kept_once_each(tmp_path: Path) -> None:
    with Logs(tmp_path, lambda *_: None) as logs:
        for _ in range(3):
            logs.note("memory was short")
        logs.note("and so was time")
    assert logs.notes == ["memory was short", "and so was time"]


# -- readers meanwhile


@pytest.mark.parametrize("piece_bytes", [50, 870, 5000])
def test_reader_that_keeps_up_sees_every_byte_once(tmp_path: Path, ring: Ring, piece_bytes: int) -> None:
    data = lines(40_000)
    seen = b""
    with RingReader(tmp_path / "stdout") as reader:
        for start in range(0, len(data), piece_bytes):
            ring.write(data[start : start + piece_bytes])
            seen += everything(reader)
        ring.close()
        seen += everything(reader)
    assert seen == data


def test_reader_that_falls_behind_is_told_how_much_it_missed(tmp_path: Path, ring: Ring) -> None:
    data = lines(40_000)
    ring.write(data[:4000])
    with RingReader(tmp_path / "stdout") as reader:
        seen = everything(reader)
        ring.write(data[4000:])
        seen += everything(reader)
        ring.close()
        seen += everything(reader)
    head, _, rest = seen.partition("… ".encode())
    assert head == data[:4000]
    missed, _, tail = rest.partition(b"\n")
    assert data == head + data[4000 : 4000 + int(missed.split()[0])] + tail


@pytest.mark.parametrize("read_before", [0, 1, 3])
def test_reader_goes_on_in_the_whole_file_where_it_was(tmp_path: Path, ring: Ring, read_before: int) -> None:
    data = lines(20_000)
    ring.write(data)
    with RingReader(tmp_path / "stdout") as reader:
        seen = b"".join(reader.read(900) for _ in range(read_before))
        ring.close()
        (tmp_path / "stdout").rename(tmp_path / "kept")
        seen += everything(reader)
    assert seen == shortened(data)


@pytest.mark.parametrize("size_bytes", [800, 4000, 40_000])
@pytest.mark.parametrize("count", [0, 1, 5, 300])
@pytest.mark.parametrize("ending", [lambda ring: None, Ring.close], ids=["growing", "whole"])
def test_last_lines_are_found(tmp_path: Path, ring: Ring, size_bytes: int, count: int, ending: Callable[[Ring], None]) -> None:
    data = lines(size_bytes)
    ring.write(data)
    ending(ring)
    with RingReader(tmp_path / "stdout") as reader:
        reader.skip_to_last_lines(count)
        assert everything(reader) == b"".join(data.splitlines(keepends=True)[-count:] if count else [])


def test_reader_of_a_file_that_nobody_shortened_sees_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_bytes(os.urandom(100_000))
    with RingReader(tmp_path / "stdout") as reader:
        assert everything(reader) == (tmp_path / "stdout").read_bytes()
