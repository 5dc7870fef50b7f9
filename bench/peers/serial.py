"""Fetches with boto3, one object after another: ``python -m bench.peers.serial ENDPOINT BUCKET PREFIX DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path

import boto3

from bench.worker import report


def fetch(endpoint: str, bucket: str, prefix: str, directory: Path) -> Path:
    client = boto3.client("s3", endpoint_url=endpoint)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page["Contents"]:
            into = directory / entry["Key"].removeprefix(prefix)
            into.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, entry["Key"], str(into))
    return directory


if __name__ == "__main__":
    report(lambda: fetch(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
