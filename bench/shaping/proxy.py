"""
The proxy's connections: each of a client's has one of its own to the server, and bytes are handed over as they come.

Only heads are read; requests go on unchanged, the Host header too, so that the signature made for the proxy's address is
the one the server checks. No client sends a request before the answer to its last one has ended, so the end of an answer
needs no finding.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
from collections.abc import Callable
from typing import cast

from .heads import END, LARGEST_HEAD_BYTES, Asked, read_length, read_request
from .shape import Weather
from .traffic import Kind, Traffic

# Sleeping for less costs more than it shapes.
SHORTEST_PAUSE_SECONDS = 0.002
SLOW_DOWN = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>"


class Hold(enum.Flag):
    """Why nothing is read from the server for now."""

    NONE = 0
    FIRST_BYTE = enum.auto()
    PACE = enum.auto()
    CLIENT = enum.auto()


class Proxied:
    """What all connections share; `restart` sets the counts to zero and the weather to its beginning."""

    def __init__(self, weather: Callable[[int], Weather]) -> None:
        self._weather = weather
        self.restart(seed=0)

    def restart(self, *, seed: int) -> None:
        self.weather = self._weather(seed)
        self.traffic = Traffic()


class Client(asyncio.Protocol):
    """The client's side of one connection; `connect` joins a `Server` to it."""

    def __init__(self, proxied: Proxied, connect: Callable[[Client], None]) -> None:
        self._proxied = proxied
        self._connect = connect
        self._head = b""
        self._server: Server | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._connect(self)

    def join(self, server: Server) -> None:
        self._server = server
        if self.transport.is_closing():
            server.transport.abort()
        elif self._head.endswith(END):
            self._pass_on(server)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if len(self._head) > LARGEST_HEAD_BYTES:
            self.transport.abort()
        elif self._head.endswith(END) and self._server:
            self._pass_on(self._server)

    def _pass_on(self, server: Server) -> None:
        head, self._head = self._head, b""
        asked = read_request(head)
        if asked is None:
            self._answer(b"501 Not Implemented", b"")
            return
        proxied = self._proxied
        proxied.traffic.count(asked.kind)
        proxied.traffic.longest_range_bytes = max(proxied.traffic.longest_range_bytes, asked.range_bytes)
        if proxied.weather.admits(asked.prefix, asked.kind, now=asyncio.get_running_loop().time()):
            server.ask(head, asked)
        else:
            proxied.traffic.refused += 1
            self._answer(b"503 Slow Down", b"" if asked.kind is Kind.HEAD else SLOW_DOWN)

    def _answer(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        self.transport.write(head + body)

    def pause_writing(self) -> None:
        if self._server:
            self._server.hold(Hold.CLIENT)

    def resume_writing(self) -> None:
        if self._server:
            self._server.release(Hold.CLIENT)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._server:
            self._server.transport.abort()


class Server(asyncio.Protocol):
    """The server's side of one connection: keeps the first byte back, keeps the pace, and breaks off."""

    def __init__(self, proxied: Proxied, client: Client) -> None:
        self._proxied = proxied
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._holds = Hold.NONE
        self._timer: asyncio.TimerHandle | None = None
        self._asked = Asked(Kind.OTHER, b"")
        self._kept = b""
        self._in_body = False
        self._left = 0
        self._cut_at: int | None = None
        self._sent = 0
        self._began = 0.0
        # The counts when the answer began: they may have been set to zero since.
        self._traffic = proxied.traffic
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._client.join(self)

    def ask(self, head: bytes, asked: Asked) -> None:
        """Send one request; its answer goes to the client when its time has come."""
        self._asked, self._kept, self._in_body, self._left, self._sent, self._cut_at = asked, b"", False, 0, 0, None
        self._traffic = self._proxied.traffic
        self.transport.write(head)
        wait_seconds = self._proxied.weather.wait_seconds(asked.kind)
        self._began = self._loop.time() + wait_seconds
        if wait_seconds:
            self._holds |= Hold.FIRST_BYTE
            self._timer = self._loop.call_at(self._began, self.release, Hold.FIRST_BYTE)

    def data_received(self, data: bytes) -> None:
        if Hold.FIRST_BYTE in self._holds:
            self._kept += data
            self.transport.pause_reading()
        else:
            self._pass_on(data)

    def hold(self, why: Hold) -> None:
        self._holds |= why
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def release(self, why: Hold) -> None:
        self._holds &= ~why
        if why is Hold.FIRST_BYTE and self._kept:
            kept, self._kept = self._kept, b""
            self._pass_on(kept)
        if not self._holds and not self.transport.is_closing():
            self.transport.resume_reading()

    def _pass_on(self, data: bytes) -> None:
        if not self._in_body:
            head, end, body = (self._kept + data).partition(END)
            if not end:
                self._kept = head
                return
            self._kept = b""
            self._begin_body(head)
            self._client.transport.write(head + end)
            data = body
        if self._cut_at is not None and self._sent + len(data) > self._cut_at:
            self._count(self._cut_at - self._sent)
            self._break_off(data[: self._cut_at - self._sent])
            return
        self._count(len(data))
        self._client.transport.write(data)
        self._keep_pace()

    def _begin_body(self, head: bytes) -> None:
        self._in_body = True
        if self._asked.kind in (Kind.WHOLE, Kind.RANGE):
            self._left = read_length(head)
            self._traffic.in_flight += self._left > 0
            self._cut_at = self._proxied.weather.cut_at(self._left)

    def _count(self, size_bytes: int) -> None:
        self._sent += size_bytes
        if self._asked.kind in (Kind.WHOLE, Kind.RANGE):
            self._traffic.body_bytes += size_bytes
            self._traffic.in_flight -= 0 < self._left <= size_bytes
            self._left -= min(size_bytes, self._left)
        elif self._asked.kind is Kind.LIST:
            self._traffic.list_bytes += size_bytes

    def _keep_pace(self) -> None:
        rate = self._proxied.weather.shape.bytes_per_second
        if not rate:
            return
        due = self._began + self._sent / rate
        if due - self._loop.time() > SHORTEST_PAUSE_SECONDS:
            self.hold(Hold.PACE)
            self._timer = self._loop.call_at(due, self.release, Hold.PACE)

    def _break_off(self, rest: bytes) -> None:
        self._traffic.reset += 1
        client = self._client.transport
        client.write(rest)
        raw: socket.socket = client.get_extra_info("socket")
        # With a linger time of zero, closing sends a reset instead of a proper end.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.abort()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._timer:
            self._timer.cancel()
        self._traffic.in_flight -= self._left > 0
        self._left = 0
        self._client.transport.close()
