"""Every refusal has its cause and the way out, and no secret in it: against servers that really refuse so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from refusing import refused

from gadus.core.errors import InputUnreadable, StorageUnavailable
from gadus.testing.seaweedfs import S3Server
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")


class TestRealRefusals:
    """SeaweedFS, with its own policies and versions."""

    @staticmethod
    def deny(bucket: Bucket, action: str) -> None:
        resource = f"arn:aws:s3:::{bucket.name}" + ("" if action == "s3:ListBucket" else "/*")
        statement = {"Effect": "Deny", "Principal": "*", "Action": [action], "Resource": [resource]}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))

    async def test_a_listing_that_is_not_allowed(self, bucket: Bucket) -> None:
        bucket.put("d/k")
        self.deny(bucket, "s3:ListBucket")
        error = await refused(bucket.server, Bucket=bucket.name, Key="d/")
        assert isinstance(error, InputUnreadable)
        assert f"s3://{bucket.name}/d/: access denied for the access key …{bucket.server.access_key[-4:]}" in error.message
        assert "s3:ListBucket" in error.hint
        assert "s3:GetObject" not in error.hint

    async def test_an_object_that_may_be_seen_and_not_read(self, bucket: Bucket, tmp_path: Path) -> None:
        bucket.put("d/k", b"v")
        self.deny(bucket, "s3:GetObject")
        for error in (
            await refused(bucket.server, Bucket=bucket.name, Key="d/k"),
            await refused(bucket.server, tmp_path / "in", Bucket=bucket.name, Key="d/"),
        ):
            assert isinstance(error, InputUnreadable)
            assert f"s3://{bucket.name}/d/k: access denied" in error.message
            assert "s3:GetObject" in error.hint
            assert "s3:ListBucket" not in error.hint, "the bucket can be listed"

    async def test_a_version_that_does_not_exist(self, bucket: Bucket) -> None:
        bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
        bucket.put("k", b"v")
        error = await refused(bucket.server, Bucket=bucket.name, Key="k", VersionID="no-such-version")
        assert error.message == f"s3://{bucket.name}/k has no version 'no-such-version'"
        assert "VersionID" in error.hint

    async def test_anonymous_where_nothing_is_public(self, bucket: Bucket) -> None:
        bucket.put("d/k")
        error = await refused(bucket.server, Bucket=bucket.name, Key="d/", Anonymous=True)
        assert "is not public" in error.message
        assert "leave Anonymous out" in error.hint

    async def test_a_secret_key_read_from_a_file_with_its_line_break(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{bucket.server.secret_key}\n")
        error = await refused(bucket.server, Bucket=bucket.name, Key="d/")
        assert "secret key cannot be used" in error.message
        assert "at its end" in error.message
        assert "AWS_SECRET_ACCESS_KEY" in error.hint

    async def test_a_web_server_that_is_no_s3_service(self, website: str) -> None:
        server = S3Server(website, "any", "secret")
        for key in ("k", "d/"):
            error = await refused(server, Bucket="bucket", Key=key)
            assert isinstance(error, InputUnreadable)
            assert f"{website} does not answer as an S3 service does: 404 not the file" in error.message
            assert "check Endpoint" in error.hint

    async def test_tls_with_a_service_that_speaks_none(self, bucket: Bucket) -> None:
        endpoint = bucket.server.endpoint.replace("http://", "https://")
        error = await refused(S3Server(endpoint, "any", bucket.server.secret_key), Bucket=bucket.name)
        assert isinstance(error, InputUnreadable)
        assert error.message == f"{endpoint} does not speak TLS"
        assert "http://" in error.hint

    async def test_a_host_that_does_not_exist(self) -> None:
        error = await refused(S3Server("http://s3.invalid:9000", "any", "secret"), Bucket="bucket")
        assert isinstance(error, StorageUnavailable)
        assert error.message.startswith("http://s3.invalid:9000 has no address")
        assert "check Endpoint" in error.hint


@pytest.fixture
async def website() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nConnection: close\r\n\r\nnot the file")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


class TestMoto:
    """What SeaweedFS does not have, from a server that does."""

    @pytest.fixture
    def moto(self) -> Iterator[S3Server]:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}", "any", "moto-s-secret")
        server.stop()

    async def test_an_archived_object(self, moto: S3Server, tmp_path: Path) -> None:
        with closing(moto.client()) as client:
            client.create_bucket(Bucket="cold")
            client.put_object(Bucket="cold", Key="d/old", Body=b"v", StorageClass="GLACIER")
        error = await refused(moto, tmp_path / "in", Bucket="cold", Key="d/")
        assert isinstance(error, InputUnreadable)
        assert error.message == "s3://cold/d/old is archived in GLACIER"
        assert "restore-object" in error.hint

    async def test_a_bucket_that_does_not_exist(self, moto: S3Server) -> None:
        for key in ("k", "d/"):
            error = await refused(moto, Bucket="nowhere", Key=key)
            assert error.message == f"bucket 'nowhere' does not exist at {moto.endpoint}"

    async def test_an_object_that_was_deleted_in_a_bucket_with_versions(self, moto: S3Server) -> None:
        with closing(moto.client()) as client:
            client.create_bucket(Bucket="versions")
            client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
            client.put_object(Bucket="versions", Key="k", Body=b"v")
            marker = client.delete_object(Bucket="versions", Key="k")["VersionId"]
        error = await refused(moto, Bucket="versions", Key="k")
        assert error.message == "s3://versions/k was deleted"
        assert "VersionID" in error.hint
        error = await refused(moto, Bucket="versions", Key="k", VersionID=marker)
        assert f"has no version {marker!r}" in error.message
