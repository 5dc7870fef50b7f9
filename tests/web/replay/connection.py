"""One connection of a client that writes its requests byte by byte, and sees every byte of the answers."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from io import BufferedReader
from typing import Self
from urllib.parse import urlsplit

_SECONDS = 60
_CLOSE, _TEXT = 8, 1


@dataclass(frozen=True)
class Response:
    protocol: str
    status: int
    headers: Message
    body: bytes


class Connection:
    """Kept for all requests of a command, as its library keeps it."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.host = place.netloc
        self._socket = socket.create_connection((place.hostname, place.port), timeout=_SECONDS)
        self._reads: BufferedReader = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reads.close()
        self._socket.close()

    def ask(self, request: bytes) -> Response:
        self._socket.sendall(request)
        first = self._reads.readline().decode().rstrip("\r\n")
        protocol, status, _ = first.split(" ", 2)
        lines = []
        while (line := self._reads.readline()) not in (b"\r\n", b""):
            lines.append(line)
        headers = BytesParser().parsebytes(b"".join(lines))
        return Response(protocol, int(status), headers, b"" if status == "101" else self._body(headers))

    def frames(self) -> tuple[list[bytes], int]:
        """Every text message until the close frame, which is answered, and its code."""
        texts = []
        while True:
            kind, payload = self._frame()
            if kind == _CLOSE:
                self._socket.sendall(bytes([0x80 | _CLOSE, 0x80 | len(payload)]) + bytes(4) + payload)
                return texts, struct.unpack("!H", payload[:2])[0] if payload else 1005
            assert kind == _TEXT
            texts.append(payload)

    def _frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        assert first & 0xF0 == 0x80, "neither in parts nor compressed"
        assert second < 0x80, "servers do not mask"
        size = second
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8))
        return first & 0x0F, self._exactly(size)

    def _body(self, headers: Message) -> bytes:
        if headers["Transfer-Encoding"] == "chunked":
            body = b""
            while size := int(self._reads.readline(), 16):
                body += self._exactly(size)
                self._exactly(2)
            self._exactly(2)
            return body
        return self._exactly(int(headers["Content-Length"]))

    def _exactly(self, size: int) -> bytes:
        data = self._reads.read(size)
        assert len(data) == size, "the connection was broken"
        return data
