"""What the author of a job says of an S3 input, checked before anything is read."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

import re2
from pydantic import Field, field_validator, model_validator

from gadus.core.spec import Sha256, Wire

_LONGEST_KEY_BYTES = 1024
_LONGEST_FILTER_BYTES = 1024
_FILTER_MEMORY_BYTES = 8 << 20


class S3Params(Wire):
    """The params of the source type `s3`, with Bacalhau's names."""

    bucket: str = Field(alias="Bucket")
    key: str = Field("", alias="Key")
    filter: str = Field("", alias="Filter")
    region: str = Field("", alias="Region")
    endpoint: str = Field("", alias="Endpoint")
    version_id: str = Field("", alias="VersionID")
    sha256: Sha256 = Field("", alias="ChecksumSHA256")
    addressing_style: Literal["", "path", "virtual"] = Field("", alias="AddressingStyle")
    request_payer: Literal["", "requester"] = Field("", alias="RequestPayer")
    anonymous: bool = Field(False, alias="Anonymous")
    on_empty: Literal["fail", "allow"] = Field("fail", alias="OnEmpty")

    @field_validator("bucket")
    @classmethod
    def _bucket_is_a_name(cls, bucket: str) -> str:
        if not bucket.strip():
            raise ValueError("invalid s3 storage params: bucket cannot be empty")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", bucket):
            raise ValueError(f"{bucket!r} is not the name of a bucket: 3 or more letters, digits, '-' and '.'")
        return bucket

    @field_validator("key")
    @classmethod
    def _key_is_short(cls, key: str) -> str:
        if len(key.encode("utf-8", "surrogateescape")) > _LONGEST_KEY_BYTES:
            raise ValueError(f"is over {_LONGEST_KEY_BYTES} bytes, more than any key in S3")
        return key

    @field_validator("filter")
    @classmethod
    def _filter_compiles(cls, pattern: str) -> str:
        if pattern:
            _compiled(pattern)
        return pattern

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_a_url(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        if endpoint and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError(f"{endpoint!r} is not the URL of a service: write e.g. https://s3.example.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must have no user, password, query or fragment: credentials come from the environment")
        return endpoint

    @model_validator(mode="after")
    def _only_an_object_is_pinned(self) -> Self:
        if self.names_one_object:
            if self.filter:
                raise ValueError("Filter selects among many objects, and Key names a single one: end Key in / or *")
            return self
        if self.version_id:
            raise ValueError(f"VersionID pins a single object, and Key {self.key!r} names many: give the key of one object")
        return self

    @property
    def names_one_object(self) -> bool:
        """Whether `key` is the key of one object, not a prefix or a pattern."""
        return bool(self.key) and not self.key.endswith(("/", "*"))

    @property
    def prefix(self) -> str:
        """What every key begins with: a `*` at the very end says "and more", anywhere else it is itself."""
        return self.key.removesuffix("*")

    @property
    def wanted(self) -> re2.Pattern | None:
        """The compiled filter, or None: to be searched in what follows the prefix."""
        return _compiled(self.filter) if self.filter else None


def _compiled(pattern: str) -> re2.Pattern:
    if len(pattern.encode()) > _LONGEST_FILTER_BYTES:
        raise ValueError(f"invalid regex pattern: it is over {_LONGEST_FILTER_BYTES} bytes")
    options = re2.Options()
    options.max_mem = _FILTER_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as exc:
        reason = exc.args[0].decode() if exc.args and isinstance(exc.args[0], bytes) else str(exc)
        raise ValueError(f"invalid regex pattern: {reason} (RE2 syntax: no look-around, no back-references)") from exc
