"""One request and its answer: sent now, read later, and ended at any time by another thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from .location import Location
from .response import Broken, Response
from .unreachable import unreachable
from .wire import Connection, Origin

if TYPE_CHECKING:
    from .requests import Requests


class Exchange:
    """
    One request and its answer, tried once; blocks.

    As a context manager it gives the answer, whose body is the caller's to read. Raises StorageUnavailable there,
    also for what breaks while the body is read, and InputUnreadable.
    """

    __slots__ = (
        "_complete",
        "_connection",
        "_failure",
        "_handle",
        "_location",
        "_method",
        "_origin",
        "_requests",
        "_response",
        "_target",
    )

    def __init__(
        self,
        requests: Requests,
        location: Location,
        origin: Origin,
        method: str,
        target: str,
        complete: Mapping[str, str],
        handle: Handle,
    ) -> None:
        self._requests = requests
        self._location = location
        self._origin = origin
        self._method = method
        self._target = target
        self._complete = complete
        self._handle = handle
        self._connection: Connection | None = None
        self._response: Response | None = None
        self._failure: Exception | None = None

    def send(self) -> int:
        """
        Send the request now, and read its answer later; what goes wrong is raised then.

        Returns the descriptor that becomes readable with the answer, -1 when it went wrong.
        """
        try:
            connection = self._requests.connection(self._origin)
            self._send(connection)
        except (Broken, OSError) as exc:
            self._failure = exc
            return -1
        return connection.descriptor

    def drop(self) -> None:
        """Nobody wants the answer."""
        self._handle.on(None)
        if self._connection is not None:
            self._requests.put_back(self._origin, self._connection, self._response)
            self._connection = None

    def __enter__(self) -> Response:
        if self._connection is None and self._failure is None:
            self.send()
        try:
            try:
                self._response = self._answer()
            except Broken as broken:
                if not broken.reused or self._handle.ended:
                    raise
                # It had been closed while nobody looked; nothing was answered, so asking again is safe.
                self.drop()
                self._failure = None
                self._send(self._requests.connection(self._origin, new=True))
                self._response = self._answer()
        except (Broken, OSError) as exc:
            self.drop()
            raise unreachable(self._location, self._origin, exc) from exc
        return self._response

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._response = None
        self.drop()
        # An OSError is the caller's own, e.g. of a full disk.
        if isinstance(error, Broken):
            raise unreachable(self._location, self._origin, error) from error

    def _send(self, connection: Connection) -> None:
        self._connection = connection
        self._handle.on(connection)
        connection.send(self._method, self._target, self._complete)

    def _answer(self) -> Response:
        if self._failure is not None:
            raise self._failure
        assert self._connection is not None
        return self._connection.answer(self._method)


class Handle:
    """Lets another thread end the request that this one waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self.ended = False

    def on(self, connection: Connection | None) -> None:
        """`connection` is the one that is waited for now. Raises Broken when the end was already asked for."""
        with self._lock:
            self._connection = connection
            if self.ended and connection is not None:
                raise Broken("given up")

    def end(self) -> None:
        """End what is waited for, now and from now on."""
        with self._lock:
            self.ended = True
            if self._connection is not None:
                self._connection.abort()
