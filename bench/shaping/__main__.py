"""
The proxy as a process: ``python -m bench.shaping HOST PORT raw|s3like``.

Its first line is its port. Then, for each line it reads: ``start SEED`` sets the counts to zero, ``traffic`` leaves them;
both are answered with the counts so far as one line of JSON. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial

import uvloop

from .listener import listening
from .proxy import Proxied
from .shape import SHAPES, Weather


async def serve(host: str, port: int, shape: str) -> None:
    """Stand before the server at `host` and `port` until standard input ends."""
    proxied = Proxied(partial(Weather, SHAPES[shape]))
    async with listening(proxied, host, port) as own_port:
        print(own_port, flush=True)
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(partial(asyncio.StreamReaderProtocol, orders), sys.stdin)
        while order := (await orders.readline()).split():
            print(json.dumps(proxied.traffic.document()), flush=True)
            if order[0] == b"start":
                proxied.restart(seed=int(order[1]))


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
