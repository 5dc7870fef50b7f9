"""A real S3 server behind a slow line, so that bringing inputs takes long enough to be interrupted."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from programs import PROBE, Asked, wasm_job

from faultproxy import Fault, FaultProxy
from gadus.testing.seaweedfs import S3Server, seaweedfs

BUCKET = "faults"
_OBJECT_BYTES = 200_000
_BYTES_PER_SECOND = 600_000


@dataclass(frozen=True)
class SlowS3:
    """A bucket; `client` reaches it on the quick way, jobs on the slow one."""

    client: Any
    slow: S3Server

    @property
    def environment(self) -> Mapping[str, str]:
        return self.slow.environment()

    def reader(self, own: random.Random, *, count: int = 1) -> Asked:
        """A job that prints a new object; another one is brought with it."""
        prefix, body = f"{own.getrandbits(64):x}/", own.randbytes(_OBJECT_BYTES)
        for name in ("a", "b"):
            self.client.put_object(Bucket=BUCKET, Key=prefix + name, Body=body)
        where = {"Bucket": BUCKET, "Key": prefix, "Endpoint": self.slow.endpoint}
        inputs = [{"Source": {"Type": "s3", "Params": where}, "Target": "/in"}]
        return Asked(wasm_job(PROBE.read_bytes(), "read", "/in/a", count=count, InputSources=inputs), stdout=body)


@contextmanager
def slow_s3() -> Iterator[SlowS3]:
    """As long as the block lasts."""
    with seaweedfs() as server, closing(server.client()) as client, _behind_a_slow_line(server) as slow:
        client.create_bucket(Bucket=BUCKET)
        yield SlowS3(client, slow)


@contextmanager
def _behind_a_slow_line(server: S3Server) -> Iterator[S3Server]:
    loop = asyncio.new_event_loop()
    reached: list[S3Server] = []
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with FaultProxy(server) as proxy:
            proxy.add(Fault(bytes_per_second=_BYTES_PER_SECOND), method="GET", key="*/*")
            reached.append(proxy.server)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10), "the slow line was not laid"
        yield reached[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
