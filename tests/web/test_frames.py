"""The frames that logs are sent in."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gadus.contracts import Stream
from gadus.web.frames import Frames, Lines, Replayed
from gadus.web.pieces import Piece


def piece(data: bytes, stream: Stream = Stream.STDOUT, *, last: bool = False) -> Piece:
    return Piece("e-1", stream, data, last)


def lines_of(frames: Frames, *pieces: Piece) -> list[str]:
    return [json.loads(text)["value"]["Line"] for one in pieces for text in frames.of(one)]


def test_character_in_two_halves_is_one_character():
    data = "ö".encode()
    assert lines_of(Frames(), piece(data[:1]), piece(b"e", Stream.STDERR), piece(data[1:])) == ["e", "ö"]


def test_bytes_that_are_no_text_are_replaced():
    assert lines_of(Frames(), piece(b"a\xff"), piece(b"\xc3"), piece(b"", last=True)) == ["a\ufffd", "\ufffd"]


@given(st.lists(st.binary(max_size=20)))
def test_exact_frames_lose_nothing_of_any_bytes(written: list[bytes]):
    sent = lines_of(Frames(exact=True), *map(piece, written), piece(b"", last=True))
    assert "".join(sent).encode("utf-8", "surrogateescape") == b"".join(written)


def test_replayed_lines_are_ended_each():
    assert lines_of(Replayed(), piece(b"one\ntw"), piece(b"o\n\nhalf"), piece(b"", last=True)) == [
        "one\n",
        "two\n",
        "\n",
        "half\n",
    ]


def test_very_many_lines_come_several_at_once_and_none_is_lost():
    text = "".join(f"{number}\n" for number in range(30_000))
    lines = lines_of(Replayed(), piece(text.encode()), piece(b"", last=True))
    assert "".join(lines) == text
    assert len(lines) < 11_000


def test_line_without_an_end_is_not_kept_for_ever():
    assert sum(len(line) for line in lines_of(Replayed(), *[piece(b"x" * 30_000)] * 4)) > 65_000


def test_lines_of_different_streams_do_not_mix():
    lines = Lines()
    sent = [
        piece(b"on"),
        piece(b"err", Stream.STDERR),
        piece(b"e\nt"),
        piece(b"", last=True),
        piece(b"", Stream.STDERR, last=True),
    ]
    assert [lines.of(one) for one in sent] == [b"", b"", b"one\n", b"t", b"err"]
