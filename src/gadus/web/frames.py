"""The forms in which logs are sent: plain lines, and frames that tell standard output from standard error."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator

from gadus.contracts import Stream
from gadus.core.errors import GadusError

from .pieces import Piece

_TYPES = {Stream.STDOUT: 1, Stream.STDERR: 2}
_LONGEST_LINE = 1 << 16
_SINGLE_LINES = 10_000
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_decoder = codecs.getincrementaldecoder("utf-8")


class Lines:
    """The bytes of all streams, in whole lines so that streams do not mix; only very long ones are cut."""

    def __init__(self) -> None:
        self._rests: dict[tuple[str, Stream], bytes] = {}

    def of(self, piece: Piece) -> bytes:
        """What is complete with this piece."""
        key = (piece.execution, piece.stream)
        data = self._rests.pop(key, b"") + piece.data
        if piece.last:
            return data
        whole, newline, rest = data.rpartition(b"\n")
        if len(rest) > _LONGEST_LINE:
            return data
        self._rests[key] = rest
        return whole + newline


class Frames:
    """Frames of what a program writes just now: as it is found, in parts of lines or several at once."""

    def __init__(self, *, named: bool = False, exact: bool = False) -> None:
        """`exact`: what is no UTF-8 is not replaced, but written as surrogates, byte by byte as in PEP 383."""
        self._named = named
        self._on_error = "surrogateescape" if exact else "replace"
        self._encode: Callable[[object], str] = json.dumps if exact else _encode
        self._decoders: dict[tuple[str, Stream], codecs.IncrementalDecoder] = {}

    def of(self, piece: Piece) -> Iterator[str]:
        """The frames of this piece."""
        if text := self._decoded(piece):
            yield self._frame(piece, text)

    def _decoded(self, piece: Piece) -> str:
        # A character may be written in two halves.
        decoder = self._decoders.setdefault((piece.execution, piece.stream), _decoder(self._on_error))
        return decoder.decode(piece.data, final=piece.last)

    def _frame(self, piece: Piece, text: str) -> str:
        value: dict[str, object] = {"Type": _TYPES[piece.stream], "Line": text}
        if self._named:
            value |= {"ExecutionID": piece.execution, "PartitionIndex": piece.index}
        return self._encode({"value": value}) + "\n"


class Replayed(Frames):
    """Frames of what was written: a line each, all of them ended; of very many lines, several at once."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = ""
        self._given = 0

    def of(self, piece: Piece) -> Iterator[str]:
        """The frames of this piece; one stream comes after the other."""
        whole, newline, self._rest = (self._rest + self._decoded(piece)).rpartition("\n")
        if piece.last and self._rest:
            whole, newline, self._rest = f"{whole}{newline}{self._rest}", "\n", ""
        elif len(self._rest) > _LONGEST_LINE:
            whole, newline, self._rest = f"{whole}{newline}{self._rest}", "", ""
        text = whole + newline
        while text and self._given < _SINGLE_LINES:
            line, newline, text = text.partition("\n")
            self._given += 1
            yield self._frame(piece, line + newline)
        if text:
            yield self._frame(piece, text)


def error_frame(error: GadusError) -> str:
    """Why there is no more to come."""
    hint = f"; {error.hint}" if error.hint else ""
    return _encode({"error": f"{error.message}{hint}", "value": {"Type": 0, "Line": ""}}) + "\n"
