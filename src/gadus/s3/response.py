"""The answer to one HTTP request: its head, and a body that is read from the connection as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

_LARGEST_CHUNK_LINE_BYTES = 1 << 10
_MOST_TRAILERS = 64
_READ_BYTES = 64 << 10
_MOST_DIGITS = 18
_HEX_DIGITS = b"0123456789abcdefABCDEF"


class Broken(Exception):
    """The connection ended, stalled or talks nonsense. `reused`: it had served before, and may have died since."""

    def __init__(self, reason: str, *, reused: bool = False) -> None:
        super().__init__(reason)
        self.reused = reused


class Stalled(Broken):
    """Nothing came for as long as anybody waits."""


class TooLarge(Broken):
    """The answer is larger than anybody wants to read."""


class Response:
    """
    The answer to one request; its body is read from the connection, in order, and only while no other request is made.

    Header names are in lower case. `length` is -1 while it is not known.
    """

    __slots__ = ("_left", "_reader", "chunked", "headers", "keeps", "length", "status")

    def __init__(self, reader: Reader, status: int, headers: Mapping[str, str], *, keeps: bool, bodiless: bool) -> None:
        self._reader = reader
        self.status = status
        self.headers = headers
        self.chunked = not bodiless and headers.get("transfer-encoding", "").lower() == "chunked"
        said = headers.get("content-length", "")
        if said and not (said.isascii() and said.isdigit() and len(said) <= _MOST_DIGITS):
            raise Broken(f"the length {said[:40]!r} is not a number")
        self.length = 0 if bodiless else int(said) if said and not self.chunked else -1
        self._left = self.length
        # A body that only the end of the connection ends leaves no connection.
        self.keeps = keeps and (self.chunked or self.length >= 0)

    def read_into(self, view: memoryview) -> int:
        """
        Fill `view` from the body as far as data comes without a long wait; returns how much, 0 at the end.

        Raises Broken when the body ends early.
        """
        if self.chunked:
            return self._read_chunk(view)
        if self._left == 0:
            return 0
        wanted = view if self._left < 0 else view[: self._left]
        got = self._reader.receive_into(wanted)
        if got == 0:
            if self._left > 0:
                raise Broken(f"the body ends {self._left} bytes early")
            self._left = 0
        elif self._left > 0:
            self._left -= got
        return got

    def read(self, most_bytes: int) -> bytes:
        """The whole body. Raises TooLarge when it is larger than `most_bytes`."""
        body = bytearray()
        view = memoryview(bytearray(_READ_BYTES))
        while got := self.read_into(view):
            body += view[:got]
            if len(body) > most_bytes:
                raise TooLarge(f"the answer is over {most_bytes >> 10} KiB")
        return bytes(body)

    @property
    def over(self) -> bool:
        """Whether the body was read to its end, so that the connection can serve again."""
        return self._left == 0 and not self._reader.holds_more

    def _read_chunk(self, view: memoryview) -> int:
        if self._left == 0:
            return 0
        if self._left < 0:
            line = self._reader.read_line(_LARGEST_CHUNK_LINE_BYTES).partition(b";")[0].strip()
            if not line or line.strip(_HEX_DIGITS):
                raise Broken(f"{line[:20]!r} is not the size of a chunk")
            size = int(line, 16)
            if size == 0:
                for _ in range(_MOST_TRAILERS):
                    if not self._reader.read_line(_LARGEST_CHUNK_LINE_BYTES):
                        self._left = 0
                        return 0
                raise Broken(f"over {_MOST_TRAILERS} lines follow the body")
            self._left = size
        got = self._reader.receive_into(view[: self._left])
        if got == 0:
            raise Broken("the body ends within a chunk")
        self._left -= got
        if self._left == 0:
            if self._reader.read_line(_LARGEST_CHUNK_LINE_BYTES):
                raise Broken("a chunk is longer than it says")
            self._left = -1
        return got


class Reader(Protocol):
    """What a body is read from."""

    @property
    def holds_more(self) -> bool:
        """Whether something came that nobody has asked for."""

    def receive_into(self, view: memoryview) -> int:
        """Fill `view` as far as data comes; 0 when the other side has ended. Raises Broken when it stalls."""

    def read_line(self, most_bytes: int) -> bytes:
        """Up to the next line end, without it. Raises Broken when there is none."""
