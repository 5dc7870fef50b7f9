"""The bytes of the objects: incompressible, other ones in each object, the same every time, made and stored fast."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import obstore
from obstore.store import S3Store

from gadus.testing.seaweedfs import S3Server

KIB = 1 << 10
MIB = 1 << 20
BLOCK_BYTES = 8 * MIB
UPLOADS_AT_ONCE = 16
FILES_AT_ONCE = 256


def blocks(name: str, size_bytes: int) -> Iterator[bytes]:
    """The content of the object that is called so, a block at a time: one block of noise under a mask of its own."""
    noise = _noise()
    for number, start in enumerate(range(0, size_bytes, BLOCK_BYTES)):
        mask = np.frombuffer(hashlib.blake2b(f"{number} {name}".encode(), digest_size=8).digest(), dtype=np.uint64)
        size = min(BLOCK_BYTES, size_bytes - start)
        # Rounded up to whole words, and cut again.
        yield (noise[: -(-size // 8)] ^ mask).tobytes()[:size]


async def store(sizes: Iterable[tuple[str, int]], server: S3Server, bucket: str, *, version: int = 0) -> dict[str, str]:
    """Store an object for each key and size; returns the SHA-256 of each in hex. Another `version` has other bytes."""
    bucket_store = S3Store(
        bucket,
        endpoint=server.endpoint,
        region=server.region,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        client_options={"allow_http": True},
    )
    digests: dict[str, str] = {}
    left = iter(sizes)

    async def store_some() -> None:
        # One iterator shared by all: each takes the next object when it is free.
        for key, size_bytes in left:
            digest = hashlib.sha256()

            def body(key: str = key, size_bytes: int = size_bytes, digest: hashlib._Hash = digest) -> Iterator[bytes]:
                for block in blocks(f"{version} {key}", size_bytes):
                    digest.update(block)
                    yield block

            await obstore.put_async(bucket_store, key, b"".join(body()) if size_bytes <= BLOCK_BYTES else body())
            digests[key] = digest.hexdigest()

    async with asyncio.TaskGroup() as group:
        for _ in range(UPLOADS_AT_ONCE):
            group.create_task(store_some())
    return digests


def digests_of(tree: Path) -> dict[str, str]:
    """The SHA-256 of each file below `tree` by its relative path, computed without any peer's help."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as pool:
        groups = pool.map(_digests, [files[start : start + FILES_AT_ONCE] for start in range(0, len(files), FILES_AT_ONCE)])
        digests = [digest for group in groups for digest in group]
    return {str(path.relative_to(tree)): digest for path, digest in zip(files, digests, strict=True)}


def sums(digests: Mapping[str, str]) -> str:
    """The digests as `sha256sum` writes and reads them."""
    return "".join(f"{digest}  {path}\n" for path, digest in digests.items())


def _digests(files: Iterable[Path]) -> list[str]:
    found = []
    for path in files:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found


@cache
def _noise() -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.Generator(np.random.SFC64(2025)).integers(0, 1 << 64, BLOCK_BYTES // 8, dtype=np.uint64)
