"""What is different at Amazon: asked through a proxy of the environment, which answers in its place, in its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from raw_server import Script, answer, certificate, raw_server

from gadus.config import settings_from
from gadus.core.errors import InputUnreadable
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.sources import items_of, resolved

AMAZON = "http://s3.us-east-1.amazonaws.com"
PARIS = "data.s3.eu-west-3.amazonaws.com"
SECRET = "the-secret-key"
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
LISTING = answer(
    b"<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><IsTruncated>false</IsTruncated>"
    b"<Contents><Key>d/k</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>"
)


def error_document(status: str, code: str, *, region: str = "") -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Access Denied</Message></Error>"
    return answer(body.encode(), status=status, headers=f"x-amz-bucket-region: {region}\r\n" if region else "")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


class Amazon:
    """The proxy's answers, one script for each connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.requests: list[str] = []

    async def keys(self, *scripts: Script, **params: Any) -> list[str]:
        with raw_server(*scripts) as proxy:
            for name in ("HTTP_PROXY", "HTTPS_PROXY"):
                self._monkeypatch.setenv(name, f"http://{proxy.authority}")
            self.requests = proxy.requests
            asked = S3Params.model_validate({"Bucket": "data", "Endpoint": AMAZON, **params})
            return [item.key for item in items_of(await resolved(Source(settings_from()), asked))]

    async def refuses(self, *scripts: Script, **params: Any) -> InputUnreadable:
        with pytest.raises(InputUnreadable) as caught:
            await self.keys(*scripts, **params)
        assert SECRET not in f"{caught.value!r} {caught.value.hint}"
        return caught.value


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    return Amazon(monkeypatch)


async def test_a_bucket_in_another_region_is_found_there(
    amazon: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = certificate(tmp_path, PARIS)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
    moved = error_document("301 Moved Permanently", "PermanentRedirect", region="eu-west-3")
    assert await amazon.keys([moved], [TUNNEL, context, LISTING], Key="d/") == ["d/k"]
    first, tunnel, second = amazon.requests
    assert first.startswith("GET http://data.s3.us-east-1.amazonaws.com/?")
    assert tunnel.startswith(f"CONNECT {PARIS}:443 ")
    assert f"host: {PARIS}\r\n" in second
    assert "/eu-west-3/s3/aws4_request" in second


async def test_a_region_that_changes_with_every_answer_is_named_and_not_followed_for_ever(
    amazon: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = certificate(tmp_path, PARIS)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
    there, elsewhere = (error_document("301 Moved", "PermanentRedirect", region=name) for name in ("eu-west-3", "ap-south-1"))
    error = await amazon.refuses([there], [TUNNEL, context, elsewhere], Key="d/")
    assert "is not served by https://s3.eu-west-3.amazonaws.com in region eu-west-3" in error.message
    assert error.hint == "the right one is ap-south-1: set Region: ap-south-1"


async def test_a_region_that_is_none_leads_nowhere(amazon: Amazon) -> None:
    """It would become part of the host that the next signed request goes to."""
    evil = error_document("301 Moved", "PermanentRedirect", region="evil.test/")
    error = await amazon.refuses([evil, evil], Key="d/")
    assert "evil" not in error.hint
    assert len(amazon.requests) == 1


async def test_denied_access_may_also_be_a_requester_who_has_to_pay(amazon: Amazon) -> None:
    """Amazon answers both with the same words; asking whether it is so would already cost the requester."""
    denied = error_document("403 Forbidden", "AccessDenied")
    error = await amazon.refuses([denied], Key="d/")
    assert "access denied for the access key …MPLE" in error.message
    assert "s3:ListBucket" in error.hint
    assert "RequestPayer: requester" in error.hint
    error = await amazon.refuses([denied], Key="d/", RequestPayer="requester")
    assert "RequestPayer" not in error.hint
    assert "x-amz-request-payer: requester\r\n" in amazon.requests[0]


async def test_a_key_that_is_hidden_without_the_right_to_list(amazon: Amazon) -> None:
    """1. HEAD: 403.  2. GET, for the reason: AccessDenied.  3. LIST, whether the key is there: denied, too."""
    silent = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    denied = error_document("403 Forbidden", "AccessDenied")
    error = await amazon.refuses([silent, denied, denied], Key="d/k")
    assert "s3:GetObject" in error.hint
    assert "only with s3:ListBucket the service says so" in error.hint
    assert [request.partition(" ")[0] for request in amazon.requests] == ["HEAD", "GET", "GET"]


async def test_a_key_that_may_be_listed_and_not_read_is_not_said_to_be_missing(amazon: Amazon) -> None:
    silent = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    denied = error_document("403 Forbidden", "AccessDenied")
    error = await amazon.refuses([silent, denied, LISTING], Key="d/k")
    assert error.hint.startswith("allow s3:GetObject on the object")
    assert "ListBucket" not in error.hint


async def test_a_certificate_that_nobody_signed(amazon: Amazon, tmp_path: Path) -> None:
    _, context = certificate(tmp_path, "data.s3.us-east-1.amazonaws.com")
    error = await amazon.refuses([TUNNEL, context], Key="d/", Endpoint=AMAZON.replace("http:", "https:"))
    assert error.message.startswith("https://s3.us-east-1.amazonaws.com cannot be trusted (TLS): ")
    assert "AWS_CA_BUNDLE" in error.hint
