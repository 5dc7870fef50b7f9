"""Files at addresses that are no routes of the API, such as signed links of a storage service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from gadus.core.errors import InputUnreadable, Rejected, Unavailable

_CONNECT_SECONDS = 10.0
_SILENT_SECONDS = 30.0
_PIECE_BYTES = 1 << 16
_MOST_REDIRECTS = 5


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes at `url`, asked for without a word of who asks. Raises Rejected, InputUnreadable, Unavailable."""
    parts = urlsplit(url)
    # Never the whole of it: what stands behind the question mark may open the file to everybody.
    shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
    if parts.scheme not in ("http", "https"):
        raise Rejected(f"a result is at {shown}, which is no address of the web", hint="copy it with a tool of its service")
    patience = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=patience, trust_env=False, auto_decompress=False) as session,
            session.get(URL(url, encoded=True), max_redirects=_MOST_REDIRECTS) as answer,
        ):
            if not answer.ok:
                raise _refused(answer.status, shown)
            yield answer.content.iter_chunked(_PIECE_BYTES)
    except (aiohttp.ClientError, TimeoutError) as exc:
        reason = "time-out" if isinstance(exc, TimeoutError) else type(exc).__name__
        raise Unavailable(f"{shown} cannot be read: {reason}", hint="try again, or see whether it can be reached") from exc


def _refused(status: int, shown: str) -> InputUnreadable | Unavailable:
    if status in (429, 500, 502, 503, 504):
        return Unavailable(f"{shown} answered with status {status}", hint="try again")
    return InputUnreadable(f"{shown} answered with status {status}", hint="a signed link ends after some time: try again")
