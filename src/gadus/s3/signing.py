"""
Signs requests with AWS Signature Version 4, cheaply enough to do it for every small object.

The rule is Amazon's: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference. Only the host and the
``x-amz-`` headers are signed: others may change on their way.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache

from .credentials import Credentials

_NO_BODY = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


def signed(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    credentials: Credentials,
    region: str,
    *,
    now: float | None = None,
) -> dict[str, str]:
    """
    `headers` and what has to go with them, for a request without a body.

    `path` and `query` are percent-encoded as they are sent, the parameters of `query` in order; header names are in lower
    case; `now` is in Unix seconds.
    """
    moment = _moment(int(time.time() if now is None else now))
    day = moment[:8]
    complete = {**headers, "host": host, "x-amz-content-sha256": _NO_BODY, "x-amz-date": moment}
    if credentials.token:
        complete["x-amz-security-token"] = credentials.token.reveal()
    covered, names = _covered(tuple(complete))
    lines = "".join([f"{name}:{complete[name]}\n" for name in covered])
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{_NO_BODY}"
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(_key(credentials.secret_key.reveal(), day, region), text.encode(), "sha256").hex()
    complete["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return complete


@lru_cache(maxsize=64)
def _covered(names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Those of the headers that are signed, in order, and as one text. There are few sets of headers, and many requests."""
    covered = tuple(sorted(name for name in names if name == "host" or name.startswith("x-amz-")))
    return covered, ";".join(covered)


@lru_cache(maxsize=4)
def _moment(seconds: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


@lru_cache(maxsize=16)
def _key(secret_key: str, day: str, region: str) -> bytes:
    """The same for all requests of one day."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
