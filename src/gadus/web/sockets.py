"""WebSockets of clients that only listen: bounded, and closed when nothing is taken."""

from __future__ import annotations

from asyncio import Transport
from asyncio.transports import BaseTransport
from typing import cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .deadlines import Taking

LARGEST_MESSAGE_BYTES = 1 << 16
PING_SECONDS = 60.0
PONG_SECONDS = 120.0
"""Longer than `Taking` waits: a ping comes after what is written already."""


class Sockets(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which aborts a connection whose peer takes nothing."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._taking = Taking(cast("Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._taking.goes_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking.waits()

    def resume_writing(self) -> None:
        self._taking.goes_on()
        super().resume_writing()
