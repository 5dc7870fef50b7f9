"""The data that every peer fetches: incompressible, distinct per object, and known by its digests."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

from gadus.testing.seaweedfs import S3Server

KIB = 1 << 10
MIB = 1 << 20
BLOCK_BYTES = 8 * MIB
UPLOADS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Workload:
    """`objects` objects of `size_bytes` each, under the prefix ``<id>/``."""

    id: str
    title: str
    objects: int
    size_bytes: int

    @property
    def prefix(self) -> str:
        return f"{self.id.lower()}/"

    def paths(self) -> Iterator[str]:
        """Relative paths, a hundred to a directory."""
        return (f"{number // 100:03d}/{number:06d}.bin" for number in range(self.objects))

    def blocks(self, path: str) -> Iterator[bytes]:
        """The content of one object, the same every time."""
        source = random.Random(f"{self.id} {path}")
        for start in range(0, self.size_bytes, BLOCK_BYTES):
            yield source.randbytes(min(BLOCK_BYTES, self.size_bytes - start))


W1 = Workload("W1", "1 × 1 GiB", 1, 1024 * MIB)
W2 = Workload("W2", "64 × 8 MiB", 64, 8 * MIB)
W3 = Workload("W3", "10,000 × 64 KiB", 10_000, 64 * KIB)
W3_QUICK = Workload("W3", "10,000 × 16 KiB", 10_000, 16 * KIB)


async def upload(workload: Workload, server: S3Server, bucket: str) -> dict[str, str]:
    """Store the workload; returns the digest of each relative path."""
    store = S3Store(
        bucket,
        prefix=workload.prefix,
        endpoint=server.endpoint,
        region=server.region,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        client_options={"allow_http": True},
    )
    digests: dict[str, str] = {}
    paths = workload.paths()

    async def upload_some() -> None:
        # One iterator shared by all: each takes the next path when it is free.
        for path in paths:
            digest = hashlib.blake2b()

            def blocks(path: str = path, digest: hashlib.blake2b = digest) -> Iterator[bytes]:
                for block in workload.blocks(path):
                    digest.update(block)
                    yield block

            body = b"".join(blocks()) if workload.size_bytes <= BLOCK_BYTES else blocks()
            await obstore.put_async(store, path, body)
            digests[path] = digest.hexdigest()

    async with asyncio.TaskGroup() as group:
        for _ in range(UPLOADS_AT_ONCE):
            group.create_task(upload_some())
    return digests


def digests_of(tree: Path) -> dict[str, str]:
    """The digest of each file below `tree` by its relative path, computed without any peer's help."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as pool:
        digests = pool.map(_digest_of, files)
    return {str(path.relative_to(tree)): digest for path, digest in zip(files, digests, strict=True)}


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
