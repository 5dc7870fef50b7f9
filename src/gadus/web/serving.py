"""Puts the web application on a socket, inside an event loop that is already running."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from gadus.core.errors import GadusError, Unavailable
from gadus.threads import finished
from gadus.watch.lines import note

from .deadlines import Deadlines, allow_many_files
from .sockets import LARGEST_MESSAGE_BYTES, PING_SECONDS, PONG_SECONDS, Sockets

HANDSHAKE_SECONDS = 10.0
RENEW_SECONDS = 3600.0
CLOSING_SECONDS = 5
"""Requests that take longer are cut off at the end."""


class Showable(Protocol):
    """What a server shows to prove who it is."""

    def context(self) -> ssl.SSLContext:
        """For new connections."""
        ...

    def load_into(self, context: ssl.SSLContext) -> None:
        """Show what is kept now."""
        ...


Shown = Callable[[], Showable]


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


def url_of(listener: socket.socket, *, secure: bool = False) -> str:
    """The address for clients."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


@asynccontextmanager
async def served(
    app: ASGIApp, listener: socket.socket, closing: asyncio.Event, certificate: Shown | None = None
) -> AsyncIterator[None]:
    """
    The application answers while the block lasts, over TLS when it has a certificate, which is looked at again now and then.

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
    context = (await finished(certificate)).context() if certificate else None
    server = _Server(config, context)
    running = asyncio.create_task(server.serve([listener]))
    renewing = asyncio.create_task(_renew(certificate, context)) if certificate and context else None
    try:
        await server.up.wait()
        if not server.started:
            await running
        yield
    finally:
        closing.set()
        if renewing is not None:
            renewing.cancel()
        server.should_exit = True
        await running


async def _renew(certificate: Shown, context: ssl.SSLContext) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            (await finished(certificate)).load_into(context)
        except GadusError as error:
            # The one that is shown goes on to be shown; who looks after the server has time to mend it until that ends.
            note("certificate cannot be renewed", logging.WARNING, message=error.message, hint=error.hint)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._context = context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when the socket listens, or never will."""
        try:
            if self._context is None or sockets is None:
                await super().startup(sockets)
            else:
                await self._listen(sockets, self._context)
        finally:
            self.up.set()

    async def _listen(self, sockets: list[socket.socket], context: ssl.SSLContext) -> None:
        """As uvicorn does it, but with a time limit for handshakes."""
        config, loop = self.config, asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            return Deadlines(config=config, server_state=self.server_state, app_state=self.lifespan.state)

        await self.lifespan.startup()
        self.servers = [
            await loop.create_server(
                protocol, sock=one, ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS, backlog=config.backlog
            )
            for one in sockets
        ]
        self.started = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's to handle."""
        yield
