"""A server that speaks exactly the bytes it is told, and certificates for it that nobody has signed but the test itself."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATIENCE_SECONDS = 20
HOLD = b"(hold)"
"""In place of an answer: none, while the client waits."""

Script = Sequence[bytes | ssl.SSLContext]


class RawServer:
    """
    Each connection follows the next script: one answer for each request, and the end.

    An SSL context among the answers means: TLS from here on. `requests` has the head of each request in order of arrival;
    after the last script, connections are not accepted any more.
    """

    def __init__(self, scripts: Sequence[Script], host: str) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.host = host
        self._scripts = scripts
        self._asked = threading.Event()
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self) -> None:
        """End everything."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.join()

    def until_asked(self) -> None:
        """Wait for the first request."""
        assert self._asked.wait(PATIENCE_SECONDS)

    def join(self) -> None:
        """Wait until every script was followed to its end, or its client hung up."""
        self._thread.join()

    def _serve(self) -> None:
        threads = []
        with suppress(OSError):
            for script in self._scripts:
                connection, _ = self._listener.accept()
                self.connections += 1
                threads.append(threading.Thread(target=self._follow, args=(connection, script), daemon=True))
                threads[-1].start()
        # Refused from here on, not left waiting.
        self._listener.close()
        for thread in threads:
            thread.join()

    def _follow(self, connection: socket.socket, script: Script) -> None:
        self._open.append(connection)
        with suppress(OSError):
            for step in script:
                if isinstance(step, ssl.SSLContext):
                    connection = step.wrap_socket(connection, server_side=True)
                    self._open.append(connection)
                    continue
                if not self._hears(connection):
                    break
                if step == HOLD:
                    connection.recv(1)
                connection.sendall(step)
        connection.close()

    def _hears(self, connection: socket.socket) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = connection.recv(1)
            if not more:
                return False
            head += more
        self.requests.append(head.decode("latin-1"))
        self._asked.set()
        return True


@contextmanager
def raw_server(*scripts: Script, host: str = "127.0.0.1") -> Iterator[RawServer]:
    """A server for as many connections as there are scripts."""
    server = RawServer(scripts, host)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes = b"", *, status: str = "200 OK", headers: str = "") -> bytes:
    """An HTTP answer that says its length."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def certificate(directory: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """A new authority's certificate as a file, and the context of a server whose certificate, for `names`, it signed."""
    directory.mkdir(parents=True, exist_ok=True)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _signed("the test's authority", authority_key.public_key(), "the test's authority", authority_key, ca=True)
    own = _signed("a server", key.public_key(), "the test's authority", authority_key, names=names)
    authority_path, own_path = directory / "authority.pem", directory / "server.pem"
    authority_path.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    own_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + own.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own_path)
    return authority_path, context


def _signed(
    subject: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    names: Sequence[str] = (),
    ca: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
