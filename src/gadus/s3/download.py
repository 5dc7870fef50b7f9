"""One GET: through obstore where it can say the key, else through our own request, which sends any key as it is."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import obstore
from obstore.exceptions import BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store

from gadus.core.errors import StorageUnavailable

from .listing import quoted
from .requests import CONNECT_SECONDS, STALL_SECONDS

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult
    from obstore.store import ClientConfig, S3Credential

    from .bucket import Bucket

SMALL_BYTES = 512 << 10
"""Up to here a body is taken at once, not in chunks."""
_CHUNK_BYTES = 1 << 20
_OBSTORE_ERRORS = (BaseError, FileNotFoundError, PermissionError)
_REQUEST_SECONDS = 3600
# What obstore's paths cannot hold: it would refuse the key, or ask for another one.
_UNSAYABLE = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\x00-\x1f\x7f\ud800-\udfff]")


class Gone(Exception):
    """The object is not there (any more)."""


class Replaced(Exception):
    """The object is not the one that was listed."""


class Refused(Exception):
    """The service will not give the object, whoever asks how often."""


class Wish(Protocol):
    """What is wanted of an object."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def version_id(self) -> str: ...


class Download:
    """Gets parts of the objects of one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._location = bucket.location
        self._store = _store(bucket)

    async def whole(self, wish: Wish, offset: int, end: int) -> memoryview:
        """The bytes from `offset` to `end` at once, at most `SMALL_BYTES` of them. Raises as `chunks` does."""
        if _UNSAYABLE.search(wish.key):
            body = b"".join([bytes(chunk) async for chunk in self.chunks(wish, offset, end)])
            return memoryview(body)
        try:
            result = await self._ask(wish, offset, end)
            whole = memoryview(await result.bytes_async())
        except _OBSTORE_ERRORS as exc:
            raise self._translated(exc) from exc
        if len(whole) != end - offset:
            raise self._too_few(wish, end - offset - len(whole))
        return whole

    async def chunks(self, wish: Wish, offset: int, end: int) -> AsyncGenerator[memoryview]:
        """
        The bytes from `offset` to `end` as they arrive, of exactly the version that was listed.

        Raises Gone, Replaced, Refused, and StorageUnavailable when another try may help, also when the body ends early.
        """
        chunks = self._by_hand if _UNSAYABLE.search(wish.key) else self._by_obstore
        left = end - offset
        async with aclosing(chunks(wish, offset, end)) as arriving:
            async for chunk in arriving:
                left -= len(chunk)
                yield chunk
        if left:
            raise self._too_few(wish, left)

    async def _by_obstore(self, wish: Wish, offset: int, end: int) -> AsyncGenerator[memoryview]:
        try:
            result = await self._ask(wish, offset, end)
            async for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
                yield memoryview(chunk)
        except _OBSTORE_ERRORS as exc:
            raise self._translated(exc) from exc

    async def _ask(self, wish: Wish, offset: int, end: int) -> GetResult:
        """The head of obstore's answer, which is that of the very object that was listed."""
        options: GetOptions = {}
        if wish.etag:
            options["if_match"] = wish.etag
        if wish.version_id:
            options["version"] = wish.version_id
        if end - offset < wish.size_bytes:
            options["range"] = (offset, end)
        if self._location != self._bucket.location:
            # A probe has found the bucket in another region.
            self._location = self._bucket.location
            self._store = _store(self._bucket)
        result = await obstore.get_async(self._store, wish.key, options=options)
        meta = result.meta
        _check(wish, meta["size"], meta["e_tag"] or "")
        return result

    async def _by_hand(self, wish: Wish, offset: int, end: int) -> AsyncGenerator[memoryview]:
        headers = {"If-Match": wish.etag} if wish.etag else {}
        if end - offset < wish.size_bytes:
            headers["Range"] = f"bytes={offset}-{end - 1}"
        query = f"versionId={quoted(wish.version_id)}" if wish.version_id else ""
        location = self._bucket.location
        async with self._bucket.requests.stream(location, "GET", wish.key, query=query, headers=headers) as response:
            if response.status == 404:
                raise Gone
            if response.status == 412:
                raise Replaced
            if response.status not in (200, 206):
                raise self._failed(f"status code: {response.status} {response.reason}")
            if response.status == 200 and offset:
                raise self._failed("the service ignores ranges for this key")
            _check(wish, _total(response.headers.get("Content-Range", ""), wish.size_bytes), response.headers.get("ETag", ""))
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                yield memoryview(chunk)

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, FileNotFoundError | NotFoundError):
            return Gone()
        return Replaced() if isinstance(error, PreconditionError) else self._failed(str(error))

    def _too_few(self, wish: Wish, missing_bytes: int) -> StorageUnavailable:
        return StorageUnavailable(f"{self._location.endpoint} sent {missing_bytes} bytes too few of {wish.key!r}")

    def _failed(self, detail: str) -> Exception:
        status = re.search(r"status code: (4\d\d)", detail)
        if status and status[1] not in ("408", "429"):
            return Refused(_short(detail))
        return StorageUnavailable(f"{self._bucket.location.endpoint} breaks off: {_short(detail)}", hint="try again later")


def _check(wish: Wish, size_bytes: int, etag: str) -> None:
    """Not every service obeys If-Match: the answer itself must be of the object that was listed."""
    if size_bytes != wish.size_bytes or (etag and wish.etag and _bare(etag) != _bare(wish.etag)):
        raise Replaced


def _short(detail: str) -> str:
    return detail.splitlines()[0][:200]


def _bare(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _total(content_range: str, otherwise: int) -> int:
    total = content_range.rpartition("/")[2]
    return int(total) if total.isdigit() else otherwise


def _store(bucket: Bucket) -> S3Store:
    location = bucket.location
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=STALL_SECONDS),
        # Not a limit on how long an object may take; a stalled connection is what ends a request.
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
        "allow_http": True,
    }
    if bundle := bucket.chain.ca_bundle():
        client["root_certificate"] = bundle.read_bytes()

    def credential() -> S3Credential:
        keys = bucket.chain.credentials_now()
        if keys is None:
            raise StorageUnavailable("the AWS credentials are gone", hint="set them again and run the job anew")
        found: S3Credential = {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, "expires_at": keys.until}
        if keys.token:
            found["token"] = keys.token
        return found

    unsigned = location.anonymous or bucket.chain.credentials_now() is None
    endpoint = location.root if location.addressing == "virtual" else location.endpoint
    # Everything is said: what is not, obstore takes from the environment, which may speak of another service.
    return S3Store(
        location.bucket,
        endpoint=endpoint,
        aws_endpoint_url_s3=endpoint,
        region=location.region,
        virtual_hosted_style_request=location.addressing == "virtual",
        request_payer=location.requester_pays,
        s3_express=False,
        skip_signature=unsigned,
        credential_provider=None if unsigned else credential,
        client_options=client,
        # Tries are counted in one place only: by who knows how much has arrived.
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=_REQUEST_SECONDS)},
    )
