"""Every refusal has its cause and the way out, and no secret in it: against servers that really refuse so."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from faultproxy import Fault, FaultProxy, Reply, WebPage, internal_error, redirect, skewed_clock, wrong_signing_region
from gadus.config import settings_from
from gadus.core.errors import GadusError, InputUnreadable, StorageUnavailable
from gadus.s3.patience import Patience
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.seaweedfs import S3Server
from gadus.testing.sources import fetch_into, resolved
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")


async def refused(server: S3Server, directory: Path | None = None, **params: Any) -> GadusError:
    """The error of resolving `params`, or of fetching them into `directory`; the secret key is nowhere in it."""
    source = Source(settings_from())
    source._requests.patience = Patience(throttled_seconds=0.01, first_pause_seconds=0.001, longest_pause_seconds=0.01)
    asked = S3Params.model_validate({"Endpoint": server.endpoint, **params})
    with pytest.raises(GadusError) as caught:
        await (fetch_into(directory, source, asked) if directory else resolved(source, asked))
    error = caught.value
    everything = f"{error} {error!r} {error.message} {error.hint} {''.join(traceback.format_exception(error))}"
    assert server.secret_key not in everything
    assert error.hint
    return error


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
async def website() -> Any:
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


@dataclass(frozen=True)
class Case:
    """What the service answers, and what is to be said of it; `key` names an object or a prefix."""

    says: Reply
    message: str
    hint: str
    key: str = "d/k"
    error: type[GadusError] = InputUnreadable
    params: dict[str, Any] = field(default_factory=dict)


def ago(minutes: float) -> str:
    return format_datetime(datetime.now(UTC) - timedelta(minutes=minutes), usegmt=True)


KMS = "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:key/1"
CASES = {
    "clock ahead": Case(
        skewed_clock((datetime.now(UTC) - timedelta(minutes=47.5)).isoformat()).reply or Reply(0),
        "this machine's clock is off by about 47 minutes ahead",
        "set the clock",
    ),
    "clock behind, told by the Date alone": Case(
        Reply(403, "SignatureDoesNotMatch", headers={"Date": ago(-30.5)}),
        "this machine's clock is off by about 30 minutes behind",
        "set the clock",
    ),
    "clock, by how much is not told": Case(Reply(400, "RequestTimeTooSkewed"), "clock is off by some minutes", "set the clock"),
    "token expired": Case(Reply(400, "ExpiredToken"), "session token has expired", "aws sso login"),
    "token of other keys": Case(Reply(400, "InvalidToken"), "does not accept the session token", "AWS_SESSION_TOKEN"),
    "requester pays": Case(
        Reply(403, "AccessDenied", message="the bucket is Requester Pays"), "lets the requester pay", "RequestPayer: requester"
    ),
    "requester pays already": Case(
        Reply(403, "AccessDenied", message="the bucket is Requester Pays"),
        "access denied",
        "s3:GetObject",
        params={"RequestPayer": "requester"},
    ),
    "key of KMS not allowed": Case(
        Reply(403, "AccessDenied", message=KMS), "encrypted with a KMS key.*kms:Decrypt", "kms:Decrypt"
    ),
    "key of KMS disabled": Case(Reply(400, "KMS.DisabledException"), "encrypted with a KMS key.*Disabled", "key is enabled"),
    "deep archive": Case(
        Reply(403, "InvalidObjectState", "<StorageClass>DEEP_ARCHIVE</StorageClass>"), "archived in DEEP_ARCHIVE", "restore it"
    ),
    "malformed version": Case(
        Reply(400, "InvalidArgument"), "has no version 'v'", "leave VersionID out", params={"VersionID": "v"}
    ),
    "version that is a deletion": Case(
        Reply(405, "MethodNotAllowed"), "has no version 'v'", "leave VersionID out", params={"VersionID": "v"}
    ),
    "neither GetObject nor ListBucket": Case(
        Reply(403, "AccessDenied"), "d/k: access denied", "s3:GetObject.*does not exist: only with s3:ListBucket"
    ),
    "a region that cannot be reached here": Case(
        redirect("eu-west-3").reply or Reply(0),
        "not served by http.* in region eu-west-3",
        "Endpoint to the service's address there",
    ),
    "another address": Case(
        Reply(301, "PermanentRedirect", "<Endpoint>bucket.s3.test</Endpoint>"),
        "is not served by",
        "set Endpoint for bucket.s3.test",
    ),
    "throttled": Case(
        Reply(503, "SlowDown"), "throttles, or has too much to do: 503", "try again later", error=StorageUnavailable
    ),
    "throttled with another status": Case(
        Reply(400, "RequestLimitExceeded"),
        "throttles, or has too much to do: 400 RequestLimitExceeded",
        "try again later",
        key="d/",
        error=StorageUnavailable,
    ),
    "server error": Case(
        internal_error().reply or Reply(0), "fails: 500 InternalError", "try again later", key="d/", error=StorageUnavailable
    ),
    "a page of a gateway": Case(
        WebPage(403, message="Company Gateway"),
        "does not answer as an S3 service does: 403 .*Company Gateway",
        "check Endpoint",
    ),
    "a proxy wants a password": Case(WebPage(407), "the proxy before http.* wants a name and password", "HTTP_PROXY"),
    "something new": Case(Reply(418, "Teapot"), "cannot be read: 418 Teapot made up", "Region and Endpoint"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_refusal_names_the_cause_and_the_way_out(case: Case, bucket: Bucket, proxy: FaultProxy) -> None:
    bucket.put("d/k", b"v")
    proxy.add(Fault(reply=case.says), method="*")
    error = await refused(proxy.server, Bucket=bucket.name, Key=case.key, Region="us-east-1", **case.params)
    assert type(error) is case.error
    assert_says(error.message, case.message)
    assert_says(error.hint, case.hint)


def assert_says(text: str, pattern: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s){pattern}"):
        raise AssertionError(text)


async def test_a_wrong_region_that_can_be_corrected_is_no_error(bucket: Bucket, proxy: FaultProxy) -> None:
    bucket.put("d/k", b"v")
    proxy.add(
        wrong_signing_region("us-east-1"),
        method="*",
        when=lambda request: "/us-east-1/" not in request.headers["authorization"],
    )
    asked = S3Params.model_validate(
        {"Bucket": bucket.name, "Endpoint": proxy.server.endpoint, "Key": "d/k", "Region": "eu-west-1"}
    )
    found = await resolved(Source(settings_from()), asked)
    assert [item.key for one in found for item in one.items] == ["d/k"]


async def test_what_a_service_says_is_shortened_and_cannot_command_a_terminal(bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.add(Fault(reply=Reply(403, "AccessDenied", message="no\u009b2J\nno " * 10_000)), method="*")
    error = await refused(proxy.server, Bucket=bucket.name, Key="d/")
    assert error.message.isprintable()
    assert len(error.message) < 600


async def test_a_refused_question_about_the_cause_does_not_hide_it(bucket: Bucket, proxy: FaultProxy) -> None:
    """
    1. A HEAD says 404, and so does the GET that asks for the reason.
    2. The listing that is to find the nearest keys fails: the missing key is the error, not the listing.
    """
    proxy.add(internal_error(), when=lambda request: "list-type" in request.query)
    error = await refused(proxy.server, Bucket=bucket.name, Key="d/nothing")
    assert error.message == f"s3://{bucket.name}/d/nothing does not exist"
    assert "check Key" in error.hint
