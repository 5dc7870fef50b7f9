"""The event loop that commands and the server run in, and how often a server looks for garbage."""

from __future__ import annotations

import asyncio
import gc

import uvloop


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Many small objects take less CPU in it than in asyncio's own."""
    return uvloop.new_event_loop()


_MADE_BEFORE_A_LOOK = 50_000


def expect_a_long_run() -> None:
    """
    What there is now stays: Python need not look again and again whether it is garbage, nor after every 700 new things.

    Only what refers to itself waits for such a look. With the usual ones a busy server spends a sixth of its time on them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MADE_BEFORE_A_LOOK)
