"""An open bucket: asked with this process's credentials, found in its region, listed and looked into."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from gadus.core.errors import StorageUnavailable

from . import listing, ranges
from .credentials import Chain
from .diagnose import Question, explain
from .digest import checksum_in
from .listing import Listed
from .location import Location
from .refusal import refusal_in
from .requests import LARGEST_ANSWER_BYTES, Answer, Requests

_DIRECTORY_TYPE = "application/x-directory"
# By the Server header: Amazon S3, Google Cloud Storage, Cloudflare R2, MinIO. Others may list directory by directory.
_LISTING_IN_BYTE_ORDER = frozenset({"AmazonS3", "UploadServer", "cloudflare", "MinIO"})


@dataclass(frozen=True, slots=True)
class Head:
    """One object as a HEAD shows it. The ETag keeps its quotes; `checksum` is of the whole object, as ``algorithm:hex``."""

    size_bytes: int
    etag: str
    version_id: str
    checksum: str


class Bucket:
    """
    One bucket, open for reading. `location` is corrected when the service says that the bucket is in another region.

    Every method raises InputUnreadable or StorageUnavailable with the cause and the way out.
    """

    def __init__(self, location: Location, chain: Chain, requests: Requests) -> None:
        self.location = location
        self.chain = chain
        self.requests = requests

    async def head(self, key: str, version_id: str = "") -> Head | None:
        """The object, or None when it only stands for a directory. Raises InputUnreadable when there is none."""
        query = f"versionId={listing.quoted(version_id)}" if version_id else ""
        answer = await self.ask("HEAD", key, query=query, headers={"x-amz-checksum-mode": "ENABLED"})
        if not answer.good:
            raise await explain(self, Question(key=key, version_id=version_id), answer)
        length = answer.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            # Taken for 0, it would make an empty file of an object.
            raise StorageUnavailable(f"{self.location.endpoint} does not say how long s3://{self.location.bucket}/{key} is")
        size_bytes = int(length)
        if answer.headers.get("content-type", "").startswith(_DIRECTORY_TYPE) and size_bytes == 0:
            return None
        return Head(
            size_bytes=size_bytes,
            etag=answer.headers.get("etag", ""),
            version_id=version_id or _real_version(answer.headers.get("x-amz-version-id", "")),
            checksum=checksum_in(answer.headers),
        )

    async def read(self, key: str, most_bytes: int) -> bytes:
        """A small object whole. Raises InputUnreadable when it is larger."""
        answer = await self.ask("GET", key, most_bytes=most_bytes)
        if not answer.good:
            raise await explain(self, Question(key=key), answer)
        return answer.body

    async def may_list(self, prefix: str) -> None:
        """Raise InputUnreadable unless this process may list `prefix` now."""
        answer = await self.ask("GET", query=listing.query(prefix, most=1))
        if not answer.good:
            raise await explain(self, Question(prefix=prefix), answer)

    async def pages(self, prefix: str) -> AsyncGenerator[list[Listed]]:
        """
        Every object whose key begins with `prefix`, in the service's order, some at a time.

        A long listing by a slow service is asked for in several ranges at once, see `ranges`.
        """
        asked = f"s3://{self.location.bucket}/{prefix}"
        servers: set[str] = set()

        async def ask(token: str, start_after: str) -> listing.Page:
            answer = await self.ask("GET", query=listing.query(prefix, token=token, start_after=start_after))
            if not answer.good:
                raise await explain(self, Question(prefix=prefix), answer)
            servers.add(answer.headers.get("server", ""))
            return listing.parse(answer.body, asked)

        def ordered() -> bool:
            return servers <= _LISTING_IN_BYTE_ORDER

        async with aclosing(ranges.pages(ask, asked, prefix, ordered=ordered)) as found:
            async for objects in found:
                yield objects

    async def ask(
        self,
        method: str,
        key: str = "",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        most_bytes: int = LARGEST_ANSWER_BYTES,
    ) -> Answer:
        """The answer to one request; asked once more in the bucket's true region when the service names another."""
        answer = await self.requests.send(self.location, method, key, query=query, headers=headers, most_bytes=most_bytes)
        if answer.status in (301, 307, 400, 403) and (region := await self._true_region(answer)):
            self.location = self.location.in_region(region)
            answer = await self.requests.send(self.location, method, key, query=query, headers=headers, most_bytes=most_bytes)
        return answer

    async def _true_region(self, answer: Answer) -> str:
        """The region the bucket is in, if the service says so and it is not the one that was asked; else ""."""
        named = refusal_in(answer.status, answer.headers, answer.body).region
        if not named and answer.status != 403 and not answer.body:
            # A HEAD has no body to say it in; a HEAD of the bucket says it in a header, whoever asks.
            asked = await self.requests.send(self.location, "HEAD")
            named = refusal_in(asked.status, asked.headers, b"").region
        return named if named and named != self.location.region else ""


def _real_version(version_id: str) -> str:
    """Objects of a bucket without versions are said to have the version "null", which pins nothing."""
    return "" if version_id == "null" else version_id
