"""Stages with Gadus, as an execution of a job does: ``python -m bench.gadus_peer ENDPOINT BUCKET PREFIX DIRECTORY``."""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

from gadus.config import Settings
from gadus.contracts import Silent
from gadus.core.job import Job, Place
from gadus.core.spec import InputSource, JobSpec, SpecConfig, Task
from gadus.manifests import Manifests
from gadus.runner.cache import Cache
from gadus.runner.stage import Stage
from gadus.storage.s3 import Source
from gadus.wiring import new_event_loop

from .worker import Staged, report


async def staged(wish: argparse.Namespace) -> Staged:
    """The tree that a program would see."""
    settings = Settings(data_dir=wish.directory)
    source = Source(settings)
    stage = Stage(Cache(settings.cache_dir), Manifests(settings.manifests_dir), lambda _: (source, Source.Params))
    params = {"Bucket": wish.bucket, "Key": wish.prefix, "Endpoint": wish.endpoint}
    if wish.sha256:
        params["ChecksumSHA256"] = wish.sha256
    if wish.checksum_manifest:
        params["ChecksumManifest"] = wish.checksum_manifest
    wanted = InputSource(source=SpecConfig(type="s3", params=params), target="/inputs")
    with ExitStack() as leases:
        [one] = await stage.stage(_job(wanted), Place(execution_id="e", index=0), [wanted], wish.directory, Silent(), leases)
    return Staged(one.path, one.tree.fetched_objects, one.tree.fetched_bytes)


def _job(wanted: InputSource) -> Job:
    task = Task(name="main", engine=SpecConfig(type="docker"), input_sources=(wanted,))
    now = time.time()
    return Job(id="j", spec=JobSpec(type="batch", tasks=(task,)), created_at=now, modified_at=now)


def _wish() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gadus_peer", description="Stage a prefix as a job does.")
    parser.add_argument("endpoint")
    parser.add_argument("bucket")
    parser.add_argument("prefix")
    parser.add_argument("directory", type=Path, help="the data directory: empty for a cold start, used before for a warm one")
    parser.add_argument("--sha256", default="", help="the digest of the only object")
    parser.add_argument("--checksum-manifest", default="", help="s3://BUCKET/KEY of the digests of all")
    return parser.parse_args()


if __name__ == "__main__":
    wish = _wish()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        report(lambda: runner.run(staged(wish)))
