"""A relay in front of a real PostgreSQL server, on a Unix socket as its own, that can keep the answer to a commit to itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_NAME = ".s.PGSQL.5432"
_PIECE_BYTES = 65536


class Relay:
    """Passes everything on, both ways. After `lose_the_next_commit` the next one reaches the server, and its answer nobody."""

    def __init__(self, server: Path, directory: Path) -> None:
        self._server = str(server / _NAME)
        self._to_lose = False
        self.lost = 0
        """How many answers were."""
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(directory / _NAME))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_the_next_commit(self) -> None:
        self._to_lose = True

    def close(self) -> None:
        # Wakes the thread that accepts, which a close alone does not.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                threading.Thread(target=self._there, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(client, server), daemon=True).start()

    def _there(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(_PIECE_BYTES):
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, suppress(OSError):
            while piece := server.recv(_PIECE_BYTES):
                if self._to_lose and b"COMMIT" in piece:
                    # The server has done it, and says so: the line breaks here.
                    self._to_lose = False
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(piece)


@contextmanager
def relay_to(server: Path) -> Iterator[tuple[Relay, Path]]:
    """A relay, and the directory of its socket."""
    # Short: the path of a socket has 107 bytes at most.
    with TemporaryDirectory(prefix="relay-") as name:
        directory = Path(name)
        relay = Relay(server, directory)
        try:
            yield relay, directory
        finally:
            relay.close()
