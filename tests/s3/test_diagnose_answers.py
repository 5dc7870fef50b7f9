"""Every answer that refuses, told by its cause and the way out: the words of services, given by a proxy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from refusing import refused

from faultproxy import Fault, FaultProxy, Reply, WebPage, internal_error, redirect, skewed_clock, wrong_signing_region
from gadus.config import settings_from
from gadus.core.errors import GadusError, InputUnreadable, StorageUnavailable
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.sources import items_of, resolved
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")


@dataclass(frozen=True)
class Case:
    """What the service answers (made when it is asked for, where the time matters), and what is to be said of it."""

    says: Reply | Callable[[], Reply]
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
        lambda: skewed_clock((datetime.now(UTC) - timedelta(minutes=47.5)).isoformat()).reply or Reply(0),
        "this machine's clock is off by about 47 minutes ahead",
        "set the clock",
    ),
    "clock behind, told by the Date alone": Case(
        lambda: Reply(403, "SignatureDoesNotMatch", headers={"Date": ago(-30.5)}),
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
    "throttled": Case(Reply(503, "SlowDown"), "throttles, or .*: 503", "try again later", error=StorageUnavailable),
    "throttled with another status": Case(
        Reply(400, "RequestLimitExceeded"),
        "throttles, or .*: 400 RequestLimitExceeded",
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
    proxy.add(Fault(reply=case.says if isinstance(case.says, Reply) else case.says()), method="*")
    error = await refused(proxy.server, Bucket=bucket.name, Key=case.key, Region="us-east-1", **case.params)
    assert type(error) is case.error
    assert re.search(case.message, error.message), error.message
    assert re.search(case.hint, error.hint), error.hint


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
    assert [item.key for item in items_of(found)] == ["d/k"]


async def test_what_a_service_says_is_shortened_and_cannot_command_a_terminal(bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.add(Fault(reply=Reply(403, "AccessDenied", message="no\u009b2J\nno " * 10_000)), method="*")
    error = await refused(proxy.server, Bucket=bucket.name, Key="d/")
    assert error.message.isprintable()
    assert len(error.message) < 600


@pytest.mark.parametrize("fault", [internal_error(), Fault(cut_after=0)], ids=["server error", "cut off"])
async def test_a_failed_question_about_the_cause_does_not_hide_it(bucket: Bucket, proxy: FaultProxy, fault: Fault) -> None:
    """
    1. A HEAD says 404, and so does the GET that asks for the reason.
    2. The listing that is to find the nearest keys fails: the missing key is the error, not the listing.
    """
    proxy.add(fault, when=lambda request: "list-type" in request.query)
    error = await refused(proxy.server, Bucket=bucket.name, Key="d/nothing")
    assert error.message == f"s3://{bucket.name}/d/nothing does not exist"
    assert "check Key" in error.hint
