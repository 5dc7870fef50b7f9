"""Stages with Gadus into an empty cache, as a job does: ``python -m bench.gadus_peer ENDPOINT BUCKET PREFIX DIRECTORY``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gadus.config import Settings
from gadus.contracts import Stream
from gadus.core.job import Phase
from gadus.core.spec import InputSource, SpecConfig
from gadus.runner.cache import Cache
from gadus.runner.stage import Stage
from gadus.storage.s3 import Source
from gadus.wiring import new_event_loop

from .worker import report


class Unseen:
    """A reporter that nobody reads."""

    def phase(self, phase: Phase) -> None: ...

    def found(self, target: str, objects: int, size_bytes: int, cached_bytes: int) -> None: ...

    def staged(self, objects: int, size_bytes: int) -> None: ...

    def preparing(self, what: str, done_bytes: int = 0, total_bytes: int = 0) -> None: ...

    def prepared(self) -> None: ...

    def output(self, stream: Stream, data: bytes) -> None: ...


async def fetch(endpoint: str, bucket: str, prefix: str, directory: Path) -> Path:
    """The tree that a program would see."""
    settings = Settings(data_dir=directory)
    source = Source(settings)
    stage = Stage(Cache(settings.cache_dir), lambda _: (source, Source.Params))
    params = {"Bucket": bucket, "Key": prefix, "Endpoint": endpoint}
    wanted = InputSource(source=SpecConfig(type="s3", params=params), target="/inputs")
    [staged] = await stage.stage([wanted], directory / "private", Unseen())
    return staged.staged.path


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        report(lambda: runner.run(fetch(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))))
