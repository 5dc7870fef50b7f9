"""The routes of a server, over HTTP."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import aiohttp
from yarl import URL

from gadus.core.errors import Rejected, Unauthorized, Unavailable

from .transport import Answer

_CONNECT_SECONDS = 10.0
_PIECE_BYTES = 1 << 16


class Remote:
    """
    Asks the server at `url`; to be used as an async context.

    `origin` says who named the address. `authorization` is the value of the header of that name, empty for none.
    `silent_seconds` is how long the server may send nothing; a stream that is followed may be silent for longer, its
    connection is probed by the system.
    """

    def __init__(
        self,
        url: str,
        *,
        origin: str = "",
        authorization: str = "",
        cacert: str = "",
        insecure: bool = False,
        silent_seconds: float = 30.0,
    ) -> None:
        self.server = url.rstrip("/")
        self._origin = origin
        self._authorization = authorization
        self._ssl = _trust(cacert, insecure=insecure) if self.server.startswith("https:") else False
        self._silent_seconds = silent_seconds

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=_probed),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=self._silent_seconds),
            # Nothing of the environment: what is asked of a server is nobody else's business.
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @asynccontextmanager
    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[Answer]:
        """See `Transport.send`."""
        given = dict(headers) | ({"Authorization": self._authorization} if self._authorization else {})
        # A stream is silent as long as the program is.
        patience = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=None if "follow=true" in target else self._silent_seconds
        )
        with self._translated():
            response = await self._session.request(
                method,
                URL(self.server + target, encoded=True),
                headers=given,
                data=body or None,
                ssl=self._ssl,
                allow_redirects=False,
                timeout=patience,
            )
        told = {name.lower(): value for name, value in response.headers.items()}
        try:
            yield Answer(response.status, told, self._pieces(response))
        finally:
            response.close()

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        pieces = response.content.iter_chunked(_PIECE_BYTES)
        while True:
            with self._translated():
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    return
            yield piece

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except aiohttp.ClientConnectorCertificateError as exc:
            raise Unauthorized(
                f"the certificate of {self.server} is not trusted: {exc.certificate_error}",
                hint="give its authority with --cacert FILE, or leave it unchecked with --insecure",
            ) from exc
        except aiohttp.ClientSSLError as exc:
            hint = "does it speak https at this port? Without --tls it is asked by http"
            raise Unavailable(f"no encrypted connection to {self.server}: {exc}", hint=hint) from exc
        except aiohttp.ServerDisconnectedError as exc:
            speaks = "" if self._ssl else "does it speak https at this port? Then add --tls, or write https://"
            raise Unavailable(f"the server {self.server} ended the connection", hint=speaks or self._way_out) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise Unavailable(f"the server {self.server} does not answer: {_reason(exc)}", hint=self._way_out) from exc

    @property
    def _way_out(self) -> str:
        named = f" The address comes from {self._origin};" if self._origin else ""
        return f"is it running, and at this address?{named} --api-host none works on this machine alone"


def _probed(address: tuple[Any, ...]) -> socket.socket:
    """A socket whose far end is asked whether it is still there while nothing comes from it."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        # Not every system has them under these names.
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def _trust(cacert: str, *, insecure: bool) -> ssl.SSLContext:
    if insecure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=cacert or None)
    except (OSError, ssl.SSLError) as exc:
        raise Rejected(f"--cacert {cacert!r} cannot be used: {exc}", hint="give a file with certificates in PEM form") from exc


def _reason(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "time-out"
    if isinstance(exc, OSError) and (exc.errno or 0) > 0:
        return os.strerror(exc.errno or 0)
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc) or type(exc).__name__
