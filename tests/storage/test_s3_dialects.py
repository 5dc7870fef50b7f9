"""How requests are written for each kind of service: addresses, regions, and what Google Cloud Storage accepts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from faultproxy import FaultProxy
from gadus.config import settings_from
from gadus.core.errors import InputUnsafe
from gadus.s3.location import Location, locate
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.seaweedfs import S3Server
from gadus.testing.sources import content_of, fetch_into
from hostile_s3 import HostileS3
from s3_server import Bucket

GOOGLE = "https://storage.googleapis.com"
# Says that we would like to know the service's own checksum. Trouble comes only from checksums that the client makes itself.
CHECKSUM_WISH = "x-amz-checksum-mode"
# The query parameters of Google's listing, from its XML API reference.
GOOGLE_LISTING = {
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "list-type",
    "max-keys",
    "prefix",
    "start-after",
}


@pytest.mark.parametrize(
    ("location", "root", "region"),
    [
        (locate("data", region="eu-west-1"), "https://data.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        (locate("data"), "https://data.s3.us-east-1.amazonaws.com", "us-east-1"),
        (locate("data", default_region="eu-north-1"), "https://data.s3.eu-north-1.amazonaws.com", "eu-north-1"),
        (locate("with.dots"), "https://s3.us-east-1.amazonaws.com/with.dots", "us-east-1"),
        (locate("Old_Name"), "https://s3.us-east-1.amazonaws.com/Old_Name", "us-east-1"),
        (locate("data", region="cn-north-1"), "https://data.s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        (
            locate("data", endpoint="https://s3.us-west-2.amazonaws.com/"),
            "https://data.s3.us-west-2.amazonaws.com",
            "us-west-2",
        ),
        (locate("data", endpoint="https://s3.amazonaws.com"), "https://data.s3.amazonaws.com", "us-east-1"),
        (locate("data", endpoint="http://localhost:9000/"), "http://localhost:9000/data", "us-east-1"),
        (locate("data", endpoint="https://minio.test/base"), "https://minio.test/base/data", "us-east-1"),
        (locate("data", endpoint="https://evilamazonaws.com"), "https://evilamazonaws.com/data", "us-east-1"),
        (locate("data", endpoint="https://s3.test", addressing="virtual"), "https://data.s3.test", "us-east-1"),
        (locate("data", addressing="path"), "https://s3.us-east-1.amazonaws.com/data", "us-east-1"),
        (locate("data", endpoint=GOOGLE), "https://storage.googleapis.com/data", "auto"),
    ],
)
def test_addressing_is_right_by_default_and_can_be_set(location: Location, root: str, region: str) -> None:
    assert (location.root, location.region) == (root, region)


def test_only_amazon_s_own_hosts_are_amazon() -> None:
    aws = ["https://s3.amazonaws.com", "https://s3.eu-west-1.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn"]
    others = ["https://evilamazonaws.com", "https://s3.amazonaws.com.evil.test", "https://storage.googleapis.com"]
    assert all(locate("b", endpoint=one).is_aws for one in aws)
    assert not any(locate("b", endpoint=one).is_aws for one in others)


def test_a_bucket_elsewhere_is_asked_for_in_its_region() -> None:
    moved = locate("data", region="us-east-1").in_region("eu-west-1")
    assert (moved.root, moved.region) == ("https://data.s3.eu-west-1.amazonaws.com", "eu-west-1")
    assert locate("data", endpoint="http://localhost:1").in_region("x").root == "http://localhost:1/data"


@pytest.mark.usefixtures("s3_environment")
async def test_requests_have_the_forms_that_google_accepts(bucket: Bucket, proxy: FaultProxy, tmp_path: Path) -> None:
    """Signed for "auto", nothing signed that is changed on the way, no checksum headers, only Google's query parameters."""
    content = {"small": b"1", "large": os.urandom(9 << 20), "tab\there": b"2"}
    for name, body in content.items():
        bucket.put(f"d/{name}", body)
    params = S3Params.model_validate(
        {"Bucket": bucket.name, "Endpoint": proxy.server.endpoint, "Key": "d/", "Region": locate("b", endpoint=GOOGLE).region}
    )
    await fetch_into(tmp_path, Source(settings_from()), params)
    assert content_of(tmp_path) == content
    for request in proxy.requests:
        authorization = request.headers["authorization"]
        assert "/auto/s3/aws4_request" in authorization
        signed = re.search(r"SignedHeaders=([^,]+)", authorization)
        assert signed
        assert "accept-encoding" not in signed[1].split(";")
        assert not [
            name
            for name in request.headers
            if name.startswith(("x-amz-checksum-", "x-amz-sdk-checksum")) and name != CHECKSUM_WISH
        ]
        if not request.key:
            assert set(request.query) <= GOOGLE_LISTING


async def test_without_credentials_requests_are_not_signed(hostile_s3: HostileS3, tmp_path: Path) -> None:
    hostile_s3.put("public", b"v")
    params = S3Params.model_validate({"Bucket": "bucket", "Endpoint": hostile_s3.server.endpoint, "Key": "public"})
    await fetch_into(tmp_path, Source(settings_from()), params)
    assert content_of(tmp_path) == {"public": b"v"}


@pytest.mark.usefixtures("s3_environment")
@pytest.mark.parametrize(("params", "header"), [({"Anonymous": True}, None), ({"RequestPayer": "requester"}, "requester")])
async def test_anonymous_and_requester_pays_reach_the_service(
    bucket: Bucket, proxy: FaultProxy, tmp_path: Path, params: dict[str, object], header: str | None
) -> None:
    bucket.client.put_bucket_policy(
        Bucket=bucket.name,
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],'
        f'"Resource":["arn:aws:s3:::{bucket.name}","arn:aws:s3:::{bucket.name}/*"]}}]}}',
    )
    bucket.put("d/k", b"v")
    asked = S3Params.model_validate({"Bucket": bucket.name, "Endpoint": proxy.server.endpoint, "Key": "d/", **params})
    await fetch_into(tmp_path, Source(settings_from()), asked)
    assert content_of(tmp_path) == {"k": b"v"}
    for request in proxy.requests:
        assert ("authorization" in request.headers) is ("Anonymous" not in params)
        assert request.headers.get("x-amz-request-payer") == header


@pytest.fixture
def moto() -> Iterator[S3Server]:
    """Another real server with other habits: it takes keys that SeaweedFS refuses, and checks no signature."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}", "any", "any")
    server.stop()


@pytest.mark.usefixtures("s3_environment")
async def test_a_server_that_allows_dots_in_keys_cannot_lead_out_of_the_input(moto: S3Server, tmp_path: Path) -> None:
    with closing(moto.client()) as client:
        client.create_bucket(Bucket="bucket")
        for key in ("d/plain", "d//double", "d/./dot", "d/../../outside"):
            client.put_object(Bucket="bucket", Key=key, Body=key.encode())
    source = Source(settings_from())
    params = {"Bucket": "bucket", "Endpoint": moto.endpoint, "Key": "d/"}
    with pytest.raises(InputUnsafe, match=r"'d/\.\./\.\./outside': the path leaves the directory"):
        await fetch_into(tmp_path, source, S3Params.model_validate(params))
    assert list(tmp_path.iterdir()) == []
    await fetch_into(tmp_path, source, S3Params.model_validate({**params, "Filter": r"^[^.]|^\./"}))
    assert content_of(tmp_path) == {"plain": b"d/plain", "double": b"d//double", "dot": b"d/./dot"}
