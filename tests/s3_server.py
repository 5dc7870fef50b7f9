"""Fixtures: a real S3 server for the whole test session, a bucket of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from gadus.testing.seaweedfs import S3Server, seaweedfs


@dataclass(frozen=True)
class Bucket:
    """A bucket that only one test knows; `client` is a botocore S3 client for its server."""

    name: str
    server: S3Server
    client: Any

    def put(self, key: str, body: bytes = b"") -> str:
        """Store an object and return its ETag, with the quotes of S3."""
        return self.client.put_object(Bucket=self.name, Key=key, Body=body)["ETag"]

    def listing(self) -> list[str]:
        """The keys of all objects, in the order of the service."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """One real S3 server for all tests of the session."""
    with seaweedfs() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> Iterator[Bucket]:
    """A new, empty bucket, removed with all in it after the test."""
    name = f"test-{secrets.token_hex(6)}"
    with closing(s3.client()) as client:
        client.create_bucket(Bucket=name)
        yield Bucket(name, s3, client)
        client.delete_bucket(Bucket=name)


@pytest.fixture
def s3_environment(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, too, finds the server and its credentials by the AWS variables."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
