"""Puts the web application on a socket, inside an event loop that is already running."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from gadus.core.errors import Unavailable

from .deadlines import Deadlines, allow_many_files
from .sockets import LARGEST_MESSAGE_BYTES, PING_SECONDS, PONG_SECONDS, Sockets

CLOSING_SECONDS = 5
"""Requests that take longer are cut off at the end."""


def listening(host: str, port: int) -> socket.socket:
    """A socket of our own at this address; port 0 takes a free one. Raises Unavailable when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
    except OSError as exc:
        taken.close()
        raise Unavailable(
            f"cannot listen at {host}, port {port}: {exc.strerror}", hint="choose another with --port; 0 takes one that is free"
        ) from exc
    return taken


def url_of(listener: socket.socket) -> str:
    """The address for clients."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def served(app: ASGIApp, listener: socket.socket, closing: asyncio.Event) -> AsyncIterator[None]:
    """
    The application answers while the block lasts.

    At its end nothing new is accepted, `closing` is set for those that would go on for ever, and what was begun is answered
    within a few seconds or cut off.
    """
    allow_many_files()
    config = uvicorn.Config(
        app,
        http=Deadlines,
        ws=Sockets,
        ws_max_size=LARGEST_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]))
    try:
        await server.up.wait()
        if not server.started:
            await running
        yield
    finally:
        closing.set()
        server.should_exit = True
        await running


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when the socket listens, or never will."""
        try:
            await super().startup(sockets)
        finally:
            self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's to handle."""
        yield
