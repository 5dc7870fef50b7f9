"""
HTTP/1.1 as S3 speaks it, on one blocking connection: the least work for a request, and bodies straight into a buffer.

A connection belongs to one thread at a time. Only `Connection.abort` may be called from another: whoever waits on the
connection then gets a `Broken`.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from .response import Broken, Response, Stalled

CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0
"""A connection that brings nothing for so long is given up, unless its maker says otherwise."""
_in_lower_case = lru_cache(maxsize=256)(str.lower)
"""Services send the same few names again and again."""
_LARGEST_HEAD_BYTES = 64 << 10
_MOST_ANNOUNCEMENTS = 16
_HEAD_BYTES = 8 << 10
_NO_BODY = frozenset({204, 304})
_TLS_ALERT = b"\x15\x03"


class ProxyRefused(Broken):
    """The proxy would not make the connection; `status` is its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy refuses to connect: {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom to talk to, and through which proxy. `proxy` is (host, port), or None."""

    host: str
    port: int
    tls: bool
    proxy: tuple[str, int] | None = None
    proxy_authorization: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """What stands in the Host header."""
        return self._bracketed if self.port == (443 if self.tls else 80) else self.address

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


class Connection:
    """One connection to an origin, made when it is first used."""

    def __init__(self, origin: Origin, trust: ssl.SSLContext | None, stall_seconds: float = STALL_SECONDS) -> None:
        self.origin = origin
        self.stall_seconds = stall_seconds
        self._trust = trust
        self._socket: socket.socket | None = None
        self._aborted = False
        self._served = 0
        self._asked_at = 0.0
        self._held = b""
        """Bytes that came behind what was last read."""
        self._head = memoryview(bytearray(_HEAD_BYTES))

    def ask(self, method: str, target: str, headers: Mapping[str, str]) -> Response:
        """Send a request without a body and read the head of its answer. Raises Broken, ssl.SSLError, OSError."""
        self.send(method, target, headers)
        return self.answer(method)

    def send(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        """Send a request without a body. Raises Broken, ssl.SSLError, OSError."""
        if self._socket is None:
            self._connect()
        assert self._socket is not None
        lines = "\r\n".join(map(": ".join, headers.items())) + "\r\n"
        if self.origin.proxy and not self.origin.tls:
            target = f"http://{self.origin.name}{target}"
            lines += self._proxy_authorization()
        try:
            self._socket.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
            self._asked_at = time.monotonic()
        except (BlockingIOError, TimeoutError) as exc:
            raise Stalled(f"nothing could be sent for {self.stall_seconds:g} seconds") from exc
        except OSError as exc:
            raise Broken(f"the connection was cut: {exc.strerror or exc}", reused=self._served > 0) from exc

    def answer(self, method: str) -> Response:
        """The head of the answer to what was sent. Raises Broken, ssl.SSLError, OSError."""
        reused = self._served > 0
        try:
            self._check_stalled()
            return self._read_head(method)
        except Broken as broken:
            # One that only says nothing is not one that has died.
            broken.reused = reused and not self._held and not isinstance(broken, Stalled)
            raise
        except OSError as exc:
            raise Broken(f"the connection was cut: {exc.strerror or exc}", reused=reused) from exc

    @property
    def descriptor(self) -> int:
        """What becomes readable when something comes; -1 without a connection."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def holds_more(self) -> bool:
        """Whether something came that nobody has asked for."""
        return bool(self._held)

    def receive_into(self, view: memoryview) -> int:
        """Fill `view` as far as data comes; 0 when the other side has ended. Raises Broken when it stalls."""
        held = self._held
        if not held:
            return self._receive(view, wait_for_all=True)
        got = min(len(held), len(view))
        view[:got] = held[:got]
        self._held = held[got:]
        # Together with what follows it, unless nothing does for now.
        if got < len(view) and not self._aborted:
            with suppress(Broken):
                got += self._receive(view[got:], wait_for_all=True)
        return got

    def read_line(self, most_bytes: int) -> bytes:
        """Up to the next line end, without it."""
        while (end := self._held.find(b"\r\n")) < 0:
            if len(self._held) > most_bytes:
                raise Broken("a line of the answer has no end")
            self._fill()
        line, self._held = self._held[:end], self._held[end + 2 :]
        return line

    def abort(self) -> None:
        """End the connection from another thread, now."""
        self._aborted = True
        held = self._socket
        if held is not None:
            # Unless it had ended by itself.
            with suppress(OSError):
                # The plain socket's: that of a TLS socket would touch what the other thread is using.
                socket.socket.shutdown(held, socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    def _connect(self) -> None:
        self._socket = raw = _connected(self, *(self.origin.proxy or (self.origin.host, self.origin.port)))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.origin.tls:
            raw.settimeout(CONNECT_SECONDS)
            if self.origin.proxy:
                self._open_tunnel(raw)
            assert self._trust is not None
            wrapped = self._trust.wrap_socket(raw, server_hostname=self.origin.host, do_handshake_on_connect=False)
            self.holding(wrapped)
            wrapped.do_handshake()
            wrapped.settimeout(self.stall_seconds)
            return
        # By the kernel and not by Python, which would poll before every read.
        raw.settimeout(None)
        seconds = int(self.stall_seconds)
        limit = struct.pack("ll", seconds, int((self.stall_seconds - seconds) * 1_000_000))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def holding(self, raw: socket.socket) -> None:
        """Remember a socket that is being connected, so that it can be aborted. Raises Broken when it was already."""
        self._socket = raw
        if self._aborted:
            raise Broken("given up")

    def _open_tunnel(self, raw: socket.socket) -> None:
        name = self.origin.address
        raw.sendall(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{self._proxy_authorization()}\r\n".encode())
        answer = self._read_head("CONNECT")
        if answer.status != 200:
            raise ProxyRefused(answer.status)

    def _proxy_authorization(self) -> str:
        given = self.origin.proxy_authorization
        return f"proxy-authorization: {given}\r\n" if given else ""

    def _read_head(self, method: str) -> Response:
        for _ in range(_MOST_ANNOUNCEMENTS):
            while (end := self._held.find(b"\r\n\r\n")) < 0:
                if len(self._held) > _LARGEST_HEAD_BYTES:
                    raise Broken("the head of the answer is over 64 KiB")
                self._fill()
            head, self._held = self._held[:end], self._held[end + 4 :]
            response = self._response(method, head)
            # 1xx only announce the answer.
            if response.status >= 200:
                self._served += 1
                return response
        raise Broken("the answer is announced again and again, and never comes")

    def _check_stalled(self) -> None:
        """The time counts from the request, so that those who wait for many answers in turn wait once for all."""
        if time.monotonic() - self._asked_at >= self.stall_seconds and self._socket is not None and not self._held:
            seen = select.poll()
            seen.register(self._socket, select.POLLIN)
            if not seen.poll(0):
                raise Stalled(f"nothing came for {self.stall_seconds:g} seconds")

    def _response(self, method: str, head: bytes) -> Response:
        first, _, lines = head.decode("latin-1").partition("\r\n")
        version, _, rest = first.partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit()):
            raise Broken(f"the answer is not HTTP: {first[:40]!r}")
        headers = {}
        for line in lines.split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[_in_lower_case(name)] = value.strip(" \t")
        wish = headers.get("connection", "").lower()
        keeps = wish != "close" if version == "HTTP/1.1" else wish == "keep-alive"
        bodiless = method in ("HEAD", "CONNECT") or int(status) in _NO_BODY or status[0] == "1"
        return Response(self, int(status), headers, keeps=keeps, bodiless=bodiless)

    def _fill(self) -> None:
        got = self._receive(self._head, wait_for_all=False)
        if got == 0:
            # What a TLS server says to a request in the clear.
            reason = "it speaks TLS" if self._held.startswith(_TLS_ALERT) else "the connection ended before the answer"
            raise Broken(reason)
        self._held += self._head[:got]

    def _receive(self, view: memoryview, *, wait_for_all: bool) -> int:
        if self._socket is None or self._aborted:
            raise Broken("given up")
        got = 0
        try:
            if not wait_for_all:
                return self._socket.recv_into(view)
            if not self.origin.tls:
                # One return to Python for a whole buffer.
                return self._socket.recv_into(view, len(view), socket.MSG_WAITALL)
            while got < len(view) and (more := self._socket.recv_into(view[got:])):
                got += more
        except (BlockingIOError, TimeoutError):
            if not got:
                raise Stalled(f"nothing came for {self.stall_seconds:g} seconds") from None
        except OSError as exc:
            if not got:
                raise Broken(f"the connection was cut: {exc.strerror or exc}") from exc
        # What came before the end counts; the next call meets the end itself.
        return got


def _connected(connection: Connection, host: str, port: int) -> socket.socket:
    """A connection to the first address that answers."""
    failure: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        raw = socket.socket(family, kind, protocol)
        raw.settimeout(CONNECT_SECONDS)
        connection.holding(raw)
        try:
            raw.connect(address)
        except OSError as exc:
            raw.close()
            failure = exc
        else:
            return raw
    raise failure or OSError(f"{host} has no address")
