"""Fetches with boto3 at its best: ``python -m bench.boto3_peer ENDPOINT BUCKET PREFIX DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager

from .worker import report

REQUESTS_AT_ONCE = 10


class Listed:
    """Tells the transfer what the listing said, which saves one HEAD for each object."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self._entry["Size"])
        future.meta.provide_object_etag(self._entry["ETag"])


def fetch(endpoint: str, bucket: str, prefix: str, directory: Path) -> Path:
    client = boto3.client("s3", endpoint_url=endpoint)
    config = TransferConfig(max_concurrency=REQUESTS_AT_ONCE, multipart_chunksize=16 << 20)
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
    report(lambda: fetch(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
