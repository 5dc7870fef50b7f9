"""Fetches with boto3 at its best: ``python -m bench.peers.s3transfer ENDPOINT BUCKET PREFIX DIRECTORY AT_ONCE``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config

from bench.worker import report

PART_BYTES = 16 << 20


class Listed:
    """Tells the transfer what the listing said, which saves one HEAD for each object."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self._entry["Size"])
        future.meta.provide_object_etag(self._entry["ETag"])


def fetch(endpoint: str, bucket: str, prefix: str, directory: Path, *, at_once: int) -> Path:
    client = boto3.client("s3", endpoint_url=endpoint, config=Config(max_pool_connections=at_once))
    config = TransferConfig(max_concurrency=at_once, multipart_chunksize=PART_BYTES)
    with create_transfer_manager(client, config) as manager:
        transfers = []
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page["Contents"]:
                into = directory / entry["Key"].removeprefix(prefix)
                into.parent.mkdir(parents=True, exist_ok=True)
                transfers.append(manager.download(bucket, entry["Key"], str(into), subscribers=[Listed(entry)]))
        for transfer in transfers:
            transfer.result()
    return directory


if __name__ == "__main__":
    _, endpoint, bucket, prefix, directory, at_once = sys.argv
    report(lambda: fetch(endpoint, bucket, prefix, Path(directory), at_once=int(at_once)))
