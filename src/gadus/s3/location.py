"""Where a bucket is: service, region, and how its URLs are written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, Self
from urllib.parse import quote, urlsplit

Addressing = Literal["path", "virtual"]

DEFAULT_REGION = "us-east-1"
_AWS_HOST = re.compile(r"(?:.+\.)?s3[.-](?:dualstack\.|fips\.)?(?:([a-z]{2}(?:-[a-z]+)+-\d)\.)?amazonaws\.com(?:\.cn)?")
_GOOGLE_HOSTS = ("storage.googleapis.com",)
# In a host name under TLS a dot would not match the service's certificate.
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Location:
    """
    One bucket of one service.

    `endpoint` is the service's root without a trailing slash, e.g. ``https://s3.eu-west-1.amazonaws.com``.
    """

    bucket: str
    endpoint: str
    region: str
    addressing: Addressing
    requester_pays: bool = False
    anonymous: bool = False

    @property
    def is_aws(self) -> bool:
        """Whether the service is Amazon's own: decided by the host, not by how its name ends."""
        return _AWS_HOST.fullmatch(urlsplit(self.endpoint).hostname or "") is not None

    @property
    def root(self) -> str:
        """The URL of the bucket, without a trailing slash."""
        parts = urlsplit(self.endpoint)
        if self.addressing == "virtual":
            return f"{parts.scheme}://{self.bucket}.{parts.netloc}{parts.path}"
        return f"{self.endpoint}/{quote(self.bucket, safe='')}"

    @staticmethod
    def path(root: str, key: str = "") -> str:
        """The path of an object, every byte of the key as it is, or of the bucket itself; `root` is the path of `root`."""
        if key:
            return f"{root}/{quote(key.encode('utf-8', 'surrogateescape'), safe='/~')}"
        # A virtual host's bare root needs its slash; the path of a bucket does not.
        return root or "/"

    def in_region(self, region: str) -> Self:
        """The same bucket, asked for where it really is."""
        endpoint = aws_endpoint(region) if self.is_aws else self.endpoint
        return replace(self, region=region, endpoint=endpoint)

    def __str__(self) -> str:
        return f"s3://{self.bucket}@{self.endpoint}"


def locate(
    bucket: str,
    *,
    endpoint: str = "",
    region: str = "",
    default_region: str = "",
    addressing: Addressing | None = None,
    requester_pays: bool = False,
    anonymous: bool = False,
) -> Location:
    """
    The bucket's location from what is known; the region may turn out to be another one.

    Without an endpoint it is AWS. Addressing is virtual for AWS where the name allows it, and path for everybody else.
    """
    endpoint = endpoint.rstrip("/")
    named = _AWS_HOST.fullmatch(urlsplit(endpoint).hostname or "") if endpoint else None
    is_aws = not endpoint or named is not None
    if not region:
        region = (named[1] if named and named[1] else "") or default_region or _usual_region(endpoint)
    if addressing is None:
        addressing = "virtual" if is_aws and _HOST_LABEL.fullmatch(bucket) else "path"
    return Location(
        bucket=bucket,
        endpoint=endpoint or aws_endpoint(region),
        region=region,
        addressing=addressing,
        requester_pays=requester_pays,
        anonymous=anonymous,
    )


def aws_endpoint(region: str) -> str:
    """The root of Amazon S3 in a region."""
    suffix = ".cn" if region.startswith("cn-") else ""
    return f"https://s3.{region}.amazonaws.com{suffix}"


def _usual_region(endpoint: str) -> str:
    """Google signs for "auto"; others take Amazon's oldest region, if they look at it at all."""
    return "auto" if urlsplit(endpoint).hostname in _GOOGLE_HOSTS else DEFAULT_REGION
