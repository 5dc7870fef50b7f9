"""Fetches with the AWS Common Runtime: ``python -m bench.peers.crt ENDPOINT BUCKET PREFIX DIRECTORY GIGABITS``."""

from __future__ import annotations

import sys
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import quote, urlsplit

import boto3
from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config

from bench.worker import report

PART_BYTES = 8 << 20
REQUESTS_AT_ONCE = 256


def fetch(endpoint: str, bucket: str, prefix: str, directory: Path, *, gigabits: float) -> Path:
    listing = boto3.client("s3", endpoint_url=endpoint)
    region = listing.meta.region_name
    events = EventLoopGroup()
    bootstrap = ClientBootstrap(events, DefaultHostResolver(events))
    credentials = AwsCredentialsProvider.new_environment()
    client = S3Client(
        bootstrap=bootstrap,
        region=region,
        signing_config=create_default_s3_signing_config(region=region, credential_provider=credentials),
        tls_mode=S3RequestTlsMode.DISABLED,
        part_size=PART_BYTES,
        throughput_target_gbps=gigabits,
    )
    under_way: deque[Future[None]] = deque()
    for page in listing.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page["Contents"]:
            if len(under_way) >= REQUESTS_AT_ONCE:
                under_way.popleft().result()
            into = directory / entry["Key"].removeprefix(prefix)
            into.parent.mkdir(parents=True, exist_ok=True)
            headers = HttpHeaders([("host", urlsplit(endpoint).netloc)])
            request = client.make_request(
                type=S3RequestType.GET_OBJECT,
                request=HttpRequest("GET", quote(f"/{bucket}/{entry['Key']}"), headers),
                recv_filepath=str(into),
            )
            under_way.append(request.finished_future)
    for finished in under_way:
        finished.result()
    return directory


if __name__ == "__main__":
    _, endpoint, bucket, prefix, directory, gigabits = sys.argv
    report(lambda: fetch(endpoint, bucket, prefix, Path(directory), gigabits=float(gigabits)))
