"""The standard credential chain, each link with the real protocol on loopback; the keys are those of the real S3 server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

import faultproxy
from faultproxy import FaultProxy, Request
from gadus.config import settings_from
from gadus.core.errors import InputUnreadable
from gadus.s3.credentials import Chain
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.sources import content_of, fetch_into
from hostile_s3 import HostileS3
from s3_server import Bucket

STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>r:s</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken></SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


class Issuer:
    """Gives out the S3 server's keys as container, instance and STS endpoints do; remembers the paths it was asked for."""

    def __init__(self, bucket: Bucket) -> None:
        self.server = bucket.server
        self.asked: list[str] = []
        self.url = ""
        self.valid = timedelta(hours=6)
        self.token = ""

    def document(self) -> dict[str, str]:
        until = (datetime.now(UTC) + self.valid).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": until,
            "AccessKeyId": self.server.access_key,
            "SecretAccessKey": self.server.secret_key,
            "Token": self.token,
            "Expiration": until,
        }

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if request.method == "POST":
            form = dict(await request.post())
            assert form["WebIdentityToken"] == "the token"
            document = self.document()
            body = STS.format(key=document["AccessKeyId"], secret=document["SecretAccessKey"], until=document["Expiration"])
            return web.Response(text=body, content_type="text/xml")
        if request.path.endswith("/api/token"):
            return web.Response(text="session")
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="role")
        return web.Response(text=json.dumps(self.document()), content_type="application/json")


@pytest.fixture
async def issuer(bucket: Bucket) -> AsyncIterator[Issuer]:
    bucket.put("k", b"v")
    issuer = Issuer(bucket)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", issuer.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield issuer
    await runner.cleanup()


async def read(bucket: Bucket, directory: Path) -> dict[str, bytes]:
    params = S3Params.model_validate({"Bucket": bucket.name, "Endpoint": bucket.server.endpoint, "Key": "k"})
    await fetch_into(directory, Source(settings_from()), params)
    return content_of(directory)


async def test_from_a_container_endpoint(
    bucket: Bucket, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{issuer.url}/container")
    assert await read(bucket, tmp_path) == {"k": b"v"}
    assert issuer.asked == ["GET /container"], "asked once per process, not once per request"


async def test_a_token_that_expires_during_a_transfer_is_renewed(
    issuer: Issuer, hostile_s3: HostileS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. Many objects are asked for with the first token. 2. It expires: all are refused. 3. The chain has a new one."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{issuer.url}/container")
    # So close to its end the chain asks anew each time it is asked.
    issuer.valid, issuer.token = timedelta(minutes=5), "first"
    content = {f"{number:02}": b"%d" % number for number in range(40)}
    for name, body in content.items():
        hostile_s3.put(f"d/{name}", body)

    async def expire(_: Request) -> None:
        issuer.token = "second"

    def has_expired(request: Request) -> bool:
        return request.headers["x-amz-security-token"] == "first"

    async with FaultProxy(hostile_s3.server) as proxy:
        proxy.add(replace(faultproxy.expired_token(), before=expire), key="d/*", when=has_expired)
        params = S3Params.model_validate({"Bucket": "bucket", "Endpoint": proxy.server.endpoint, "Key": "d/"})
        await fetch_into(tmp_path / "in", Source(settings_from()), params)
        refused = [request for request in proxy.seen("GET", "d/*") if has_expired(request)]
    assert content_of(tmp_path / "in") == content
    assert refused


async def test_from_instance_metadata(bucket: Bucket, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", issuer.url)
    assert await read(bucket, tmp_path) == {"k": b"v"}
    assert "PUT /latest/api/token" in issuer.asked


async def test_from_a_web_identity(bucket: Bucket, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("the token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/reader")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (tmp_path / "in").mkdir()
    assert await read(bucket, tmp_path / "in") == {"k": b"v"}
    assert issuer.asked == ["POST /"]


async def test_credentials_that_appear_later_are_found(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started without credentials is not without them for ever."""
    chain = Chain(absence_holds_seconds=0)
    assert await chain.credentials() is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.server.secret_key)
    assert await chain.credentials() is not None


async def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InputUnreadable, match="nobody") as caught:
        await Chain().credentials()
    assert "AWS_PROFILE" in caught.value.hint


async def test_keys_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-access-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-key")
    credentials = await Chain().credentials()
    assert credentials is not None
    text = f"{credentials} {credentials!r}"
    assert "the-secret-key" not in text
    assert "the-access-key" not in text
