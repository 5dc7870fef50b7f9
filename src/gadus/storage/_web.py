"""Requests to any web server: redirects followed by hand, limits on every wait, errors in the words of `core.errors`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Self

import aiohttp
from yarl import URL

from gadus import __version__
from gadus.core.errors import InputUnreadable, StorageUnavailable

CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0
MOST_REDIRECTS = 10
MOST_FRUITLESS_TRIES = 5
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
Method = Literal["HEAD", "GET"]
_REDIRECTS = (301, 302, 303, 307, 308)
_TRY_AGAIN = "try again later, or look whether the address opens from this machine"


@dataclass(frozen=True, slots=True)
class Answer:
    """The last response of a chain of redirects; its body has not been read."""

    response: aiohttp.ClientResponse
    redirected: bool

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def url(self) -> URL:
        return self.response.url

    @property
    def size_bytes(self) -> int:
        """What the server says of the body, or -1."""
        length = self.response.headers.get("Content-Length", "")
        return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else -1

    @property
    def etag(self) -> str:
        """The ETag, or "" for a weak one: that may stand for more than one sequence of bytes."""
        etag = self.response.headers.get("ETag", "")
        return etag if etag.startswith('"') and len(etag) <= 1000 else ""


class Web:
    """Sends requests; to be used as an async context."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # No limit on the whole: a large file may take hours, a silent server may not.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS),
            # The bytes as they are stored: what is counted, resumed and digested.
            headers={"Accept-Encoding": "identity", "User-Agent": f"gadus/{__version__}"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @asynccontextmanager
    async def ask(
        self, method: Literal["HEAD", "GET"], url: URL, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Answer]:
        """
        The answer, with any status but a redirect; for as long as the block lasts, its body can be read.

        Raises InputUnreadable for a redirect that cannot be followed, StorageUnavailable for anything that may pass.
        """
        try:
            response, hops = await self._follow(method, url, headers or {})
            try:
                yield Answer(response, redirected=hops > 0)
            finally:
                response.close()
        except aiohttp.ClientSSLError as exc:
            raise InputUnreadable(
                f"{shown(url)} has no certificate that this machine trusts: {_reason(exc)}",
                hint="use another address, or add the certificate's authority to this machine",
            ) from exc
        except aiohttp.InvalidURL as exc:
            raise InputUnreadable(f"{shown(url)} leads to an address that cannot be asked", hint="use another URL") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise StorageUnavailable(f"{shown(url)} does not answer: {_reason(exc)}", hint=_TRY_AGAIN) from exc

    async def _follow(self, method: Method, url: URL, headers: Mapping[str, str]) -> tuple[aiohttp.ClientResponse, int]:
        at = url
        for hop in range(MOST_REDIRECTS + 1):
            response = await self._session.request(method, at, headers=headers, allow_redirects=False)
            to = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not to:
                return response, hop
            response.close()
            at = _next(url, at, to)
        raise InputUnreadable(f"{shown(url)} redirects more than {MOST_REDIRECTS} times", hint="use the file's own address")


class Tries:
    """Patience with a server: as long as something arrives, it is asked again and again."""

    def __init__(self) -> None:
        self._fruitless = 0
        self._seen_bytes = 0

    async def pause_after(self, error: StorageUnavailable, have_bytes: int = 0) -> None:
        """Wait a moment before the next try. Raises `error` when many tries in a row brought nothing new."""
        self._fruitless = 0 if have_bytes > self._seen_bytes else self._fruitless + 1
        self._seen_bytes = max(have_bytes, self._seen_bytes)
        if self._fruitless >= MOST_FRUITLESS_TRIES:
            raise error
        longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._fruitless)
        # Of any length up to that, so that many clients of one server do not come back at once.
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - nothing secret


def url_of(text: str) -> URL:
    """The URL as it was written, byte for byte when it can be sent so: a signature in it may cover its spelling."""
    return URL(text, encoded=text.isascii() and text.isprintable() and " " not in text)


def shown(url: URL) -> str:
    """The URL for people: a password or a query may be a secret."""
    text = str(url.with_user(None).with_query(None).with_fragment(None))
    return f"{text}?…" if url.raw_query_string else text


def _next(start: URL, at: URL, to: str) -> URL:
    try:
        following = at.join(url_of(to))
        usable = bool(following.host)
    except ValueError as exc:
        raise InputUnreadable(f"{shown(start)} redirects to what is no address", hint="use another URL") from exc
    if following.scheme not in ("http", "https") or not usable:
        raise InputUnreadable(
            f"{shown(start)} redirects to a {following.scheme} address, not http or https", hint="use another URL"
        )
    if at.scheme == "https" and following.scheme == "http":
        raise InputUnreadable(
            f"{shown(start)} redirects from https to {shown(following)}, where anybody could change the data on its way",
            hint="use that address, with ChecksumSHA256, if this is wanted",
        )
    return following


def _reason(exc: Exception) -> str:
    if isinstance(exc, aiohttp.ClientResponseError):
        # Its text has the whole URL.
        return f"no valid HTTP ({exc.message[:200]})"
    if isinstance(exc, TimeoutError):
        return f"nothing came for {STALL_SECONDS:.0f} s, or no connection within {CONNECT_SECONDS:.0f} s"
    return str(exc)[:300] or type(exc).__name__
