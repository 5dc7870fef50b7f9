"""Signed requests that reach a service exactly as written: for listings, heads, probes, and keys that obstore cannot say."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.utils import get_environ_proxies
from yarl import URL

from gadus.core.errors import StorageUnavailable

from .credentials import Chain, Credentials
from .location import Location

CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0
"""A connection that brings nothing for so long is given up."""
TRIES = 5
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_LARGEST_ANSWER_BYTES = 16 << 20
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """A service's answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Requests:
    """Sends requests about buckets, with this process's credentials. Use as an async context manager."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        bundle = self._chain.ca_bundle()
        trust = ssl.create_default_context(cafile=bundle) if bundle else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(
        self, location: Location, method: str, key: str = "", *, query: str = "", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """
        The answer to one request, whatever its status; tried again on server errors, throttling and broken connections.

        `query` is sorted and already percent-encoded. The body is at most 16 MiB. Raises StorageUnavailable.
        """
        for tried in range(1, TRIES + 1):
            try:
                async with self.stream(location, method, key, query=query, headers=headers) as response:
                    body = await _bounded(response, location)
                    answer = Answer(response.status, {n.lower(): v for n, v in response.headers.items()}, body)
            except StorageUnavailable:
                if tried == TRIES:
                    raise
            else:
                if answer.status not in _TRANSIENT or tried == TRIES:
                    return answer
            await asyncio.sleep(pause_seconds(tried))
        raise AssertionError  # the last try returns or raises

    @asynccontextmanager
    async def stream(
        self, location: Location, method: str, key: str = "", *, query: str = "", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, tried once; the body is the caller's to read. Raises StorageUnavailable, also while it is read."""
        url = location.url(key, query)
        asked = dict(headers or {})
        if location.requester_pays:
            asked["x-amz-request-payer"] = "requester"
        credentials = None if location.anonymous else await self._chain.credentials()
        if credentials is not None:
            asked = _signed(method, url, asked, credentials, location.region)
        # Set after signing: some services change this header on its way, and Google then refuses the signature.
        asked["Accept-Encoding"] = "identity"
        try:
            async with self._session.request(
                method, URL(url, encoded=True), headers=asked, allow_redirects=False, proxy=_proxy(url)
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise unreachable(location, exc) from exc


def pause_seconds(tried: int) -> float:
    """How long to wait before the next try: exponential with full jitter, so that many clients do not come back together."""
    return random.uniform(0, min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**tried))  # noqa: S311 - not a secret


def unreachable(location: Location, cause: BaseException) -> StorageUnavailable:
    """What to say when no answer comes from the service, or only a part of one."""
    endpoint = location.endpoint
    if isinstance(cause, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return StorageUnavailable(
            f"{endpoint} cannot be trusted (TLS): {cause}",
            hint="use the host name the certificate is for, or name your own authority with AWS_CA_BUNDLE",
        )
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return StorageUnavailable(f"{endpoint} has no address: {cause}", hint="check Endpoint and the network")
    if isinstance(cause, TimeoutError):
        return StorageUnavailable(f"{endpoint} does not answer", hint="check Endpoint and the network")
    number = cause.os_error.errno if isinstance(cause, aiohttp.ClientConnectorError) else None
    reason = os.strerror(number) if number else str(cause) or type(cause).__name__
    return StorageUnavailable(
        f"{endpoint} cannot be reached: {reason}", hint="check that the service runs and that Endpoint names its host and port"
    )


def _signed(method: str, url: str, headers: Mapping[str, str], credentials: Credentials, region: str) -> dict[str, str]:
    request = AWSRequest(method, url, headers=dict(headers))
    request.context["payload_signing_enabled"] = False
    keys = ReadOnlyCredentials(credentials.access_key, credentials.secret_key, credentials.token)
    S3SigV4Auth(keys, "s3", region).add_auth(request)
    return dict(request.headers)


def _proxy(url: str) -> str | None:
    proxies: Mapping[str, str] = get_environ_proxies(url)
    return proxies.get(urlsplit(url).scheme)


async def _bounded(response: aiohttp.ClientResponse, location: Location) -> bytes:
    chunks = []
    left = _LARGEST_ANSWER_BYTES
    async for chunk in response.content.iter_any():
        left -= len(chunk)
        if left < 0:
            raise StorageUnavailable(f"{location.endpoint} sent an answer of over 16 MiB to a small question")
        chunks.append(chunk)
    return b"".join(chunks)
