"""Stages with Gadus, as an execution of a job does: ``python -m bench.gadus_peer ENDPOINT BUCKET PREFIX DIRECTORY``."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from gadus.config import Settings
from gadus.contracts import Silent
from gadus.core.job import Execution, Job, Pin
from gadus.core.spec import InputSource, JobSpec, SpecConfig, Task
from gadus.eventloop import new_event_loop
from gadus.manifests import Manifests
from gadus.runner.cache import Cache
from gadus.runner.pins import SharedPins
from gadus.runner.stage import Stage, StagedInput
from gadus.storage.s3 import Source

from .worker import Staged, report


async def stage(wish: argparse.Namespace, pins: Sequence[Pin] = ()) -> StagedInput:
    """What a program would see; `pins` are those of an execution of the same job before this one."""
    settings = Settings(data_dir=wish.directory)
    source = Source(settings)
    stage_all = Stage(
        Cache(settings.cache_dir),
        Manifests(settings.manifests_dir),
        SharedPins(settings.data_dir / "pins"),
        lambda _: (source, Source.Params),
    )
    params = {"Bucket": wish.bucket, "Key": wish.prefix, "Endpoint": wish.endpoint}
    if wish.sha256:
        params["ChecksumSHA256"] = wish.sha256
    if wish.checksum_manifest:
        params["ChecksumManifest"] = wish.checksum_manifest
    wanted = InputSource(source=SpecConfig(type="s3", params=params), target="/inputs")
    with ExitStack() as leases:
        execution = Execution(id="e", index=0, node="here", created_at=0.0, modified_at=0.0)
        [one] = await stage_all.stage(_job(wanted, pins), execution, [wanted], wish.directory, Silent(), leases)
    return one


def _job(wanted: InputSource, pins: Sequence[Pin]) -> Job:
    task = Task(name="main", engine=SpecConfig(type="docker"), input_sources=(wanted,))
    now = time.time()
    return Job(
        id="j", spec=JobSpec(type="batch", tasks=(task,)), created_at=now, begun_at=now, modified_at=now, pins=tuple(pins)
    )


def wish_from(arguments: Sequence[str]) -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.gadus_peer", description="Stage a prefix as a job does.")
    parser.add_argument("endpoint")
    parser.add_argument("bucket")
    parser.add_argument("prefix")
    parser.add_argument("directory", type=Path, help="the data directory: empty for a cold start, used before for a warm one")
    parser.add_argument("--sha256", default="", help="the digest of the only object")
    parser.add_argument("--checksum-manifest", default="", help="s3://BUCKET/KEY of the digests of all")
    parser.add_argument("--retry", action="store_true", help="stage first, and then for another execution of the same job")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    wish = wish_from(sys.argv[1:])
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        pins = [runner.run(stage(wish)).pin] if wish.retry else []

        def staged() -> Staged:
            one = runner.run(stage(wish, pins))
            return Staged(one.path, one.tree.fetched_objects, one.tree.fetched_bytes)

        report(staged)
