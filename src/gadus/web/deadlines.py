"""Connections that send or take too slowly are closed: otherwise a few idle clients could hold all there are."""

from __future__ import annotations

import resource
from asyncio import TimerHandle, Transport, get_running_loop
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10.0
BODY_SECONDS = 30.0
LARGEST_HEAD_BYTES = 64 << 10
TAKING_SECONDS = 60.0
"""A peer that takes nothing at all of what waits for it for so long is gone, or might as well be."""
MOST_CONNECTIONS = 10_000
MOST_UNHEARD = 256
"""With more in the middle of a request, those that began first are closed: they are seldom honest."""
GRACE_SECONDS = 2.0
"""But not before they had some time: many may be accepted before what they sent is read."""
_MOST_FILES = 1 << 16
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_unheard: WeakKeyDictionary[ServerState, dict[Deadlines, float]] = WeakKeyDictionary()
"""The connections of each server in the middle of a request, with the time of its beginning, the oldest first."""


class _Reads(Enum):
    NOTHING = 0
    HEAD = 1
    BODY = 2


def allow_many_files() -> None:
    """Let this process have as many files open as the system lets it: a connection is one, and so is what is sent over it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """At most half of the files that may be open: a server that cannot accept, nor open a file, is of no use."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, soft // 2)


class Taking:
    """Aborts a connection whose peer takes nothing, while something waits for it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._left = 0
        self._limit: TimerHandle | None = None

    def waits(self) -> None:
        """More cannot be written now."""
        self._left = self._transport.get_write_buffer_size()
        self._limit = get_running_loop().call_later(TAKING_SECONDS, self._look)

    def goes_on(self) -> None:
        """Enough was taken, or the connection has ended."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self.waits()
        else:
            self._transport.abort()


class Deadlines(HttpToolsProtocol):
    """
    uvicorn's protocol with a time limit for the head of a request and one for its body, and a limit for the head's size.

    A request that was read is answered however long that takes, as long as its client takes what it gets.
    """

    _reads = _Reads.NOTHING
    _limit: TimerHandle | None = None
    _head_bytes = 0

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **named)
        self._most = most_connections()
        self._unheard = _unheard.setdefault(self.server_state, {})

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._taking = Taking(transport)
        if len(self.connections) > self._most:
            transport.abort()
            return
        self._begin(_Reads.HEAD, HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._taking.goes_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking.waits()

    def resume_writing(self) -> None:
        self._taking.goes_on()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._end()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._reads is _Reads.NOTHING:
            self._begin(_Reads.HEAD, HEAD_SECONDS)
        if self._reads is _Reads.HEAD:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._reads is _Reads.HEAD and self._head_bytes > LARGEST_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        if self._reads is _Reads.NOTHING:
            self._begin(_Reads.HEAD, HEAD_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._begin(_Reads.BODY, BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._end()
        super().on_message_complete()

    def _begin(self, reads: _Reads, seconds: float) -> None:
        self._end()
        self._reads = reads
        self._limit = self.loop.call_later(seconds, self._too_slow)
        self._unheard[self] = self.loop.time()
        while len(self._unheard) > MOST_UNHEARD:
            oldest, began = next(iter(self._unheard.items()))
            if began > self.loop.time() - GRACE_SECONDS:
                break
            del self._unheard[oldest]
            oldest.transport.abort()

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit, self._reads, self._head_bytes = None, _Reads.NOTHING, 0
        self._unheard.pop(self, None)

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
