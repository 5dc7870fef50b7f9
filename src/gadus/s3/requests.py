"""Signed requests that reach a service exactly as written, over connections that are used again."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from gadus.core.errors import InputUnreadable, StorageUnavailable

from .credentials import Chain
from .exchange import Exchange, Handle
from .location import Location
from .patience import TRANSIENT, Patience, Tries
from .response import Response
from .route import route
from .signing import signed
from .troubles import Troubles
from .wire import Connection, Origin

LARGEST_ANSWER_BYTES = 16 << 20
_IDLE_SECONDS = 15.0
"""Services close idle connections after about 20 seconds: asking on one that is being closed costs a second try."""
_QUESTIONS_AT_ONCE = 32


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
    """Sends requests about buckets with this process's credentials. May be used from any thread."""

    def __init__(self, chain: Chain) -> None:
        self.patience = Patience()
        self.troubles = Troubles()
        self._chain = chain
        self._trust: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._idle: dict[Origin, deque[tuple[float, Connection]]] = {}
        self._roots: dict[Location, tuple[Origin, str]] = {}
        self._threads = ThreadPoolExecutor(_QUESTIONS_AT_ONCE, thread_name_prefix="ask")

    async def send(
        self,
        location: Location,
        method: str,
        key: str = "",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        most_bytes: int = LARGEST_ANSWER_BYTES,
    ) -> Answer:
        """
        The answer to one request, whatever its status; tried again on server errors, throttling and broken connections.

        `query` is sorted and already percent-encoded. Raises StorageUnavailable, and InputUnreadable when trying again
        would not help: the body is over `most_bytes`, a certificate is not to be trusted.
        """
        tries = Tries(self.patience)
        while True:
            try:
                answer = await self.in_thread(partial(self._send_once, location, method, key, query, headers or {}, most_bytes))
            except StorageUnavailable:
                self.troubles.note()
                pause = tries.seconds_until_next()
                if pause is None:
                    raise
            else:
                if answer.status not in TRANSIENT:
                    return answer
                self.troubles.note(answer.status)
                pause = tries.seconds_until_next(answer.status, answer.headers.get("retry-after", ""))
                if pause is None:
                    return answer
            await asyncio.sleep(pause)

    def exchange(
        self,
        location: Location,
        method: str,
        key: str = "",
        *,
        query: str = "",
        headers: Mapping[str, str],
        handle: Handle | None = None,
    ) -> Exchange:
        """One request, to be sent. Raises InputUnreadable when it cannot be prepared."""
        origin, path, complete = self._prepared(location, method, key, query, headers)
        return Exchange(self, location, origin, method, f"{path}?{query}" if query else path, complete, handle or Handle())

    def connection(self, origin: Origin, *, new: bool = False) -> Connection:
        """A connection to use alone: the idle one that was used last, or a new one."""
        with self._lock:
            idle = self._idle.get(origin)
            while idle and not new:
                since, connection = idle.pop()
                if time.monotonic() - since < _IDLE_SECONDS:
                    return connection
                connection.close()
        return Connection(origin, self._trusted(origin), self.patience.stall_seconds)

    def put_back(self, origin: Origin, connection: Connection, response: Response | None) -> None:
        """Keep a connection for the next request, if its last answer was read to the end."""
        if response is None or not (response.over and response.keeps):
            connection.close()
            return
        now = time.monotonic()
        with self._lock:
            idle = self._idle.setdefault(origin, deque())
            idle.append((now, connection))
            # The one used last is taken first, so those at the other end were not needed for long.
            while now - idle[0][0] > _IDLE_SECONDS:
                idle.popleft()[1].close()

    async def in_thread(self, work: Callable[[Handle], Answer]) -> Answer:
        """What `work` gives, run in a thread; when this is cancelled, its handle is ended."""
        handle = Handle()
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, handle)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            handle.end()
            # Nobody is left to be told how it ended.
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    def _send_once(
        self,
        location: Location,
        method: str,
        key: str,
        query: str,
        headers: Mapping[str, str],
        most_bytes: int,
        handle: Handle,
    ) -> Answer:
        with self.exchange(location, method, key, query=query, headers=headers, handle=handle) as response:
            return Answer(response.status, response.headers, response.read(most_bytes))

    def _prepared(
        self, location: Location, method: str, key: str, query: str, headers: Mapping[str, str]
    ) -> tuple[Origin, str, dict[str, str]]:
        """Whom to ask, the path, and all headers with the signature."""
        known = self._roots.get(location)
        if known is None:
            known = self._roots[location] = route(location)
        origin, root = known
        path = location.path(root, key)
        asked = dict(headers)
        if location.requester_pays:
            asked["x-amz-request-payer"] = "requester"
        credentials = None if location.anonymous else self._chain.credentials_now()
        if credentials is None:
            asked["host"] = origin.name
        else:
            asked = signed(method, origin.name, path, query, asked, credentials, location.region)
        # Not signed: some services change this header on its way, and Google then refuses the signature.
        asked["accept-encoding"] = "identity"
        asked["user-agent"] = "gadus"
        return origin, path, asked

    def _trusted(self, origin: Origin) -> ssl.SSLContext | None:
        if not origin.tls:
            return None
        with self._lock:
            if self._trust is None:
                path = self._chain.ca_bundle()
                try:
                    self._trust = ssl.create_default_context(cafile=path)
                except OSError as exc:
                    raise InputUnreadable(
                        f"the certificate authorities in {path} cannot be read: {exc.strerror or exc}",
                        hint="AWS_CA_BUNDLE, or ca_bundle in ~/.aws/config, names a file of certificates in PEM form",
                    ) from exc
            return self._trust
