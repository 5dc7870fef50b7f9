"""The event loop that commands and the server run in."""

from __future__ import annotations

import asyncio

import uvloop


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Many small objects take less CPU in it than in asyncio's own."""
    return uvloop.new_event_loop()
