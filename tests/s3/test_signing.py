"""Signatures: exactly those of Amazon's own library, whatever is asked for."""

from __future__ import annotations

import calendar
import time
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AmazonCredentials
from hypothesis import given
from hypothesis import strategies as st

from gadus.core.secret import Secret
from gadus.s3.credentials import Credentials
from gadus.s3.listing import query as listing_query
from gadus.s3.location import Location, locate
from gadus.s3.signing import signed

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PLAIN = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_.", min_size=1, max_size=60)
AMAZON_HEADERS = st.dictionaries(
    st.from_regex(r"x-amz-[a-z0-9]{1,12}(-[a-z0-9]{1,8})?", fullmatch=True), PLAIN, max_size=4
).filter(lambda headers: not headers.keys() & {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"})
QUERIES = st.one_of(
    st.just(""),
    st.builds(lambda prefix, token: listing_query(prefix, token=token), KEYS, st.one_of(st.just(""), PLAIN)),
    st.builds(lambda version: f"versionId={quote(version, safe='~')}", PLAIN),
)
METHODS = st.sampled_from(["GET", "HEAD"])
ENDPOINTS = st.sampled_from(["", "http://localhost:9000", "https://minio.test/base", "http://[::1]:9000"])
REGIONS = st.sampled_from(["us-east-1", "eu-west-3", "auto", "cn-north-1"])


@given(
    method=METHODS,
    endpoint=ENDPOINTS,
    key=KEYS,
    query=QUERIES,
    headers=AMAZON_HEADERS,
    access_key=PLAIN,
    secret_key=PLAIN,
    token=st.one_of(st.none(), PLAIN),
    region=REGIONS,
)
def test_the_signature_is_the_one_that_amazon_s_library_makes(
    method: str,
    endpoint: str,
    key: str,
    query: str,
    headers: dict[str, str],
    access_key: str,
    secret_key: str,
    token: str | None,
    region: str,
) -> None:
    location = locate("bucket", endpoint=endpoint, region=region)
    host, path = host_and_path(location, key)
    url = f"{location.root.partition('://')[0]}://{host}{path}" + (f"?{query}" if query else "")
    theirs = AWSRequest(method=method, url=url, headers={**headers, "host": host})
    S3SigV4Auth(AmazonCredentials(access_key, secret_key, token), "s3", region).add_auth(theirs)
    moment = calendar.timegm(time.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    ours = signed(
        method, host, path, query, headers, Credentials(access_key, Secret(secret_key), Secret(token or "")), region, now=moment
    )
    assert ours["authorization"] == theirs.headers["Authorization"]
    for name in ("X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token"):
        assert ours.get(name.lower()) == theirs.headers.get(name)


def test_what_proxies_and_services_change_on_the_way_is_sent_unsigned() -> None:
    changing = {"range": "bytes=0-9", "if-match": '"etag"'}
    plain = signed("GET", "host", "/k", "", {}, Credentials("a", Secret("s")), "r", now=0)
    more = signed("GET", "host", "/k", "", changing, Credentials("a", Secret("s")), "r", now=0)
    assert more == {**plain, **changing}


def test_the_secret_key_is_in_no_header() -> None:
    headers = signed(
        "GET", "host", "/k", "", {}, Credentials("the-access-key", Secret("the-secret-key"), Secret("the-token")), "r"
    )
    assert "the-secret-key" not in str(headers)


def test_a_new_day_needs_a_new_signature_key() -> None:
    """A process that lives past midnight must not go on with yesterday's."""
    days = [signed("GET", "host", "/k", "", {}, Credentials("a", Secret("s")), "r", now=day * 86400.0) for day in (0, 1)]
    assert "/19700101/" in days[0]["authorization"]
    assert "/19700102/" in days[1]["authorization"]


def host_and_path(location: Location, key: str) -> tuple[str, str]:
    _, _, rest = location.root.partition("://")
    host, slash, root = rest.partition("/")
    return host, Location.path(slash + root, key)
