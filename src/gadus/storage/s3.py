"""
Objects in S3, or in anything that speaks like it: the type `s3`.

    Key "a/b.csv"          that object                      ─▶ <target>/b.csv
    Key "a/b/"             everything below the prefix      ─▶ <target>/<key without "a/b/">
    Key "a/b*"             everything that begins with it   ─▶ <target>/<key without "a/">
    no Key                 the whole bucket                 ─▶ <target>/<key>
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import Literal, Self
from urllib.parse import urlsplit

import re2
from pydantic import Field, field_validator, model_validator

from gadus.config import Settings
from gadus.contracts import Arrivals, Wanted
from gadus.core.errors import InputUnsafe, NothingMatched, StorageUnavailable
from gadus.core.manifest import Item, Manifest
from gadus.core.spec import Wire
from gadus.core.tree import check_paths, parents
from gadus.s3.bucket import Bucket, open_bucket
from gadus.s3.credentials import Chain
from gadus.s3.listing import Listed
from gadus.s3.location import locate
from gadus.s3.transfer import Target, transfer

_LONGEST_KEY_BYTES = 1024
_LONGEST_FILTER_BYTES = 1024
_FILTER_MEMORY_BYTES = 8 << 20


class S3Params(Wire):
    """What the author of a job says of an S3 input."""

    bucket: str = Field(alias="Bucket")
    key: str = Field("", alias="Key")
    filter: str = Field("", alias="Filter")
    region: str = Field("", alias="Region")
    endpoint: str = Field("", alias="Endpoint")
    version_id: str = Field("", alias="VersionID")
    checksum_sha256: str = Field("", alias="ChecksumSHA256")
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

    @field_validator("checksum_sha256")
    @classmethod
    def _checksum_is_a_digest(cls, text: str) -> str:
        if text:
            _hex_digest(text)
        return text

    @model_validator(mode="after")
    def _only_an_object_is_pinned(self) -> Self:
        if self.names_one_object:
            if self.filter:
                raise ValueError("Filter selects among many objects, and Key names a single one: end Key in / or *")
            return self
        for name, value in (("VersionID", self.version_id), ("ChecksumSHA256", self.checksum_sha256)):
            if value:
                raise ValueError(f"{name} pins a single object, and Key {self.key!r} names many: give the key of one object")
        return self

    @property
    def names_one_object(self) -> bool:
        """Whether `key` is the key of one object, not a prefix or a pattern."""
        return bool(self.key) and not self.key.endswith(("/", "*"))

    @property
    def prefix(self) -> str:
        """What every key begins with: a `*` at the very end says "and more", anywhere else it is itself."""
        return self.key.removesuffix("*")

    @cached_property
    def sha256(self) -> str:
        """The pinned digest as lower-case hex, or ""."""
        return _hex_digest(self.checksum_sha256) if self.checksum_sha256 else ""


class Source:
    """The contract `Source` for S3."""

    Params = S3Params

    def __init__(self, settings: Settings) -> None:
        del settings  # everything it needs is in the params and the AWS chain
        self._chain = Chain()

    async def resolve(self, params: S3Params) -> Manifest:
        """The exact objects, from one LIST per 1,000 keys, or one HEAD for a single object."""
        async with self._open(params) as bucket:
            one = await bucket.head(params.key, params.version_id) if params.names_one_object else None
            if one is not None:
                return _manifest(params, bucket, [(one, relative_path(one.key, params.key))])
            found = [(one, relative_path(one.key, _prefix_of(params))) async for one in _matching(params, bucket)]
            if not found and params.on_empty == "fail":
                raise _nothing(params)
            return _manifest(params, bucket, found)

    async def fetch(self, params: S3Params, manifest: Manifest, wanted: Sequence[Wanted], arrivals: Arrivals) -> None:
        """One GET for each object below the part size, parts in parallel above it, each of exactly the listed version."""
        by_file = {one.into: one for one in wanted}
        targets = [
            Target(item.key, item.size_bytes, item.etag, item.version_id, item.sha256, one.into)
            for one in wanted
            for item in (one.item,)
        ]
        del manifest  # the items say all
        async with self._open(params) as bucket:
            await transfer(
                bucket,
                targets,
                received=arrivals.received,
                whole=lambda target, sha256: arrivals.whole(by_file[target.into], sha256),
            )

    def _open(self, params: S3Params) -> AbstractAsyncContextManager[Bucket]:
        location = locate(
            params.bucket,
            endpoint=params.endpoint or self._chain.default_endpoint(),
            region=params.region,
            default_region=self._chain.default_region(),
            addressing=params.addressing_style or None,
            requester_pays=params.request_payer == "requester",
            anonymous=params.anonymous,
        )
        return open_bucket(location, self._chain)


def relative_path(key: str, prefix: str) -> str:
    """
    Where `key` lies below the target: relative to the last `/` of `prefix`, as in Bacalhau.

    Empty and `.` segments vanish; `..` stays, to be refused. "" for the directory itself.
    """
    above = prefix.rpartition("/")[0]
    rest = key[len(above) + 1 :] if above or prefix.startswith("/") else key
    return "/".join(part for part in rest.split("/") if part not in ("", "."))


def _prefix_of(params: S3Params) -> str:
    """The prefix to list: a single key that turned out to be a directory stands for what is below it."""
    return f"{params.key}/" if params.names_one_object else params.prefix


async def _matching(params: S3Params, bucket: Bucket) -> AsyncIterator[Listed]:
    prefix = _prefix_of(params)
    wanted = _compiled(params.filter) if params.filter else None
    async for page in bucket.pages(prefix):
        for one in page:
            if wanted is None or wanted.search(one.key[len(prefix) :]):
                yield one


def _manifest(params: S3Params, bucket: Bucket, found: Sequence[tuple[Listed, str]]) -> Manifest:
    markers = [(one, path) for one, path in found if one.key.endswith("/")]
    files = [(one, path) for one, path in found if not one.key.endswith("/")]
    full = [one.key for one, _ in markers if one.size_bytes]
    if full:
        raise InputUnsafe(
            f"these keys end in '/', as directories do, and hold data: {', '.join(map(repr, full[:10]))}",
            hint="leave them out with Filter, e.g. Filter: '[^/]$'",
        )
    above = {directory for _, path in files for directory in parents(path)}
    empty = tuple(sorted({path for _, path in markers if path} - above))
    paths = {one.key: path for one, path in files}
    if len(paths) < len(files):
        raise StorageUnavailable(f"{bucket.location.endpoint} lists the same key twice", hint="try again later")
    check_paths(paths, empty)
    items = tuple(
        Item(
            key=one.key,
            path=path,
            size_bytes=one.size_bytes,
            etag=one.etag,
            version_id=one.version_id,
            sha256=params.sha256,
        )
        for one, path in files
    )
    return Manifest(location=str(bucket.location), items=items, directories=empty)


def _nothing(params: S3Params) -> NothingMatched:
    where = f"s3://{params.bucket}/{_prefix_of(params)}"
    if params.filter:
        return NothingMatched(
            f"no object under {where} matches Filter {params.filter!r}",
            hint="the filter sees the key after the prefix; OnEmpty: allow accepts an empty input",
        )
    return NothingMatched(
        f"there is no object under {where}", hint="check Bucket and Key; OnEmpty: allow accepts an empty input"
    )


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


def _hex_digest(text: str) -> str:
    """A SHA-256 given as hex or base64, as lower-case hex. Raises ValueError."""
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        return text.lower()
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 32:
        raise ValueError(f"{text!r} is not a SHA-256: write it as 64 hex digits or as base64")
    return digest.hex()
