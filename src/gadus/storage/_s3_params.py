"""What the author of a job says of an S3 input, checked before anything is read."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

import re2
from pydantic import Field, field_validator, model_validator

from gadus.core.partition import InputParams
from gadus.core.pattern import compile_pattern
from gadus.core.problem import clipped
from gadus.core.spec import Sha256

_LONGEST_KEY_BYTES = 1024
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


class S3Params(InputParams):
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
    checksum_manifest: str = Field("", alias="ChecksumManifest")
    mode: Literal["copy"] = Field("copy", alias="Mode")

    @field_validator("bucket")
    @classmethod
    def _bucket_is_a_name(cls, bucket: str) -> str:
        if not bucket.strip():
            raise ValueError("invalid s3 storage params: bucket cannot be empty")
        if not _BUCKET_NAME.fullmatch(bucket):
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
            compile_pattern(pattern)
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

    @field_validator("checksum_manifest")
    @classmethod
    def _checksum_manifest_is_an_object(cls, url: str) -> str:
        if not url:
            return url
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not _BUCKET_NAME.fullmatch(bucket) or not key or key.endswith(("/", "*")):
            raise ValueError(f"{clipped(url)!r} does not name one object: write e.g. s3://bucket/data/SHA256SUMS")
        cls._key_is_short(key)
        return url

    @field_validator("mode", mode="before")
    @classmethod
    def _mode_is_there(cls, mode: object) -> object:
        if mode in ("lazy", "auto"):
            raise ValueError(f"{mode!r} is not in this version: use copy")
        return mode

    @model_validator(mode="after")
    def _digests_come_from_one_place(self) -> Self:
        if self.sha256 and self.checksum_manifest:
            raise ValueError("ChecksumSHA256 and ChecksumManifest both say what the bytes are: leave one of them out")
        return self

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

    def subject(self, key: str) -> str:
        """What a partition sees of `key`: it without the prefix and one leading slash; "" for a single object."""
        return key.removeprefix(self.prefix).removeprefix("/")

    @property
    def wanted(self) -> re2.Pattern | None:
        """The compiled filter, or None: to be searched in what follows the prefix."""
        return compile_pattern(self.filter) if self.filter else None
