"""Lets clients in: each gets a connection of its own to the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from .proxy import Client, Proxied, Server

CONNECT_SECONDS = 5
LONGEST_QUEUE = 1024


@asynccontextmanager
async def listening(proxied: Proxied, host: str, port: int) -> AsyncIterator[int]:
    """The port on loopback where clients reach the server at `host` and `port`, as long as the block lasts."""
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:

        async def join(client: Client) -> None:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await loop.create_connection(partial(Server, proxied, client), host, port)
            except OSError:
                client.transport.abort()

        def connect(client: Client) -> None:
            group.create_task(join(client))

        listener = await loop.create_server(partial(Client, proxied, connect), "127.0.0.1", 0, backlog=LONGEST_QUEUE)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
