"""Fixtures: a bucket as an input, directly, from a hostile service, and behind a proxy with faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from s3_input import Behind, Input

from faultproxy import FaultProxy
from hostile_s3 import HostileS3
from s3_server import Bucket


@pytest.fixture
def given(bucket: Bucket, tmp_path: Path, s3_environment: None) -> Input:
    """The bucket of the test, with the server's credentials in the environment."""
    return Input(bucket.name, bucket.server.endpoint, tmp_path)


@pytest.fixture
def hostile(hostile_s3: HostileS3, tmp_path: Path, s3_environment: None) -> Input:
    """The bucket of the hostile server."""
    return Input("bucket", hostile_s3.server.endpoint, tmp_path)


@pytest.fixture
def behind(bucket: Bucket, proxy: FaultProxy, tmp_path: Path, s3_environment: None) -> Behind:
    """The bucket of the test, seen through the proxy."""
    return Behind(bucket, proxy, tmp_path)
